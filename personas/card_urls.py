"""Addresses of a persona's card: to read, to write on, to share."""

from django.urls import path

from personas import card_views, share_views

urlpatterns = [
    path("personas/<int:pk>/", card_views.persona_page, name="persona-detail"),
    path("personas/<int:pk>/edit/", card_views.persona_edit, name="persona-edit"),
    path("personas/<int:pk>/notes/<slug:part>/", card_views.note_add, name="note-add"),
    path("personas/notes/<int:pk>/", card_views.note_edit, name="note-edit"),
    path("personas/notes/<int:pk>/delete/", card_views.note_delete, name="note-delete"),
    path("personas/<int:pk>/shares/", share_views.share_list, name="share-list"),
    path("personas/shares/<int:pk>/revoke/", share_views.share_revoke, name="share-revoke"),
    path("shared/personas/<str:token>/", share_views.shared, name="shared"),
]
