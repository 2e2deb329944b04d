"""Addresses of the pages about how texts are read."""

from django.urls import path

from personas import reading_views as views

urlpatterns = [
    path("personas/reading/", views.reading, name="reading"),
    path("personas/reading/topics/", views.reading_topics, name="reading-topics"),
    path("personas/reading/labels/", views.label_list, name="label-list"),
    path("personas/reading/labels/import/", views.label_import, name="label-import"),
    path("personas/reading/labels/<int:pk>/take-back/", views.label_take_back, name="label-take-back"),
    path("personas/reading/draw/", views.reading_draw, name="reading-draw"),
    path("personas/reading/tags/", views.reason_tags, name="reason-tags"),
    path("personas/reading/train/", views.reading_train, name="reading-train"),
    path("personas/reading/again/preview/", views.reread_preview, name="reread-preview"),
    path("personas/reading/again/", views.reread, name="reread"),
]
