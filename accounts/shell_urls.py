"""Addresses of the shared ground's pages."""

from django.urls import path

from accounts import shell_views

app_name = "core"
urlpatterns = [
    path("search/", shell_views.search, name="search"),
    path("settings/jobs/", shell_views.job_list, name="job-list"),
    path("settings/jobs/<uuid:pk>/", shell_views.job_detail, name="job-detail"),
    path("settings/jobs/<uuid:pk>/progress/", shell_views.job_progress, name="job-progress"),
    path("settings/demo/remove/", shell_views.demo_remove, name="demo-remove"),
]
