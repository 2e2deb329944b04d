"""Addresses of the pages about privacy."""

from django.urls import path

from crm.privacy import views

urlpatterns = [
    path("customers/<int:pk>/person-export/", views.export_start, name="person-export-start"),
    path("customers/<int:pk>/person-export/<uuid:job_pk>/", views.export_page, name="person-export"),
    path(
        "customers/<int:pk>/person-export/<uuid:job_pk>/file/", views.export_file, name="person-export-file"
    ),
    path("customers/<int:pk>/erase/", views.erase, name="customer-erase"),
    path("customers/<int:pk>/profiling/", views.profiling_set, name="profiling-set"),
    path("settings/privacy/", views.retention, name="retention"),
    path("settings/privacy/purge/", views.purge_start, name="purge-start"),
]
