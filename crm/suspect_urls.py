"""Addresses of the queue of possible duplicates."""

from django.urls import path

from crm import suspect_views as views

urlpatterns = [
    path("customers/duplicates/", views.suspect_list, name="suspect-list"),
    path("customers/duplicates/count/", views.suspect_count, name="suspect-count"),
    path("customers/duplicates/search/", views.suspect_search, name="suspect-search"),
    path("customers/duplicates/<int:pk>/reject/", views.suspect_reject, name="suspect-reject"),
    path("customers/duplicates/<int:pk>/later/", views.suspect_later, name="suspect-later"),
    path("customers/duplicates/<int:pk>/confirm/", views.suspect_confirm, name="suspect-confirm"),
    path("customers/duplicates/<int:pk>/reopen/", views.suspect_reopen, name="suspect-reopen"),
]
