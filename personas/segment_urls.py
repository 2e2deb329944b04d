"""Addresses of segments."""

from __future__ import annotations

from django.urls import path

from personas import export_views, segment_tabs, segment_views

urlpatterns = [
    path("segments/", segment_views.segment_list, name="segment-list"),
    path("segments/new/", segment_views.segment_edit, name="segment-new"),
    path("segments/new-list/", segment_views.segment_list_edit, name="segment-new-list"),
    path("segments/preview/", segment_views.segment_preview, name="segment-preview"),
    path("segments/preview/stop/", segment_views.segment_preview_stop, name="segment-preview-stop"),
    path("segments/picker/", segment_tabs.segment_picker, name="segment-picker"),
    path("segments/pick/", segment_tabs.segment_pick_many, name="segment-pick-many"),
    path("segments/stale/", segment_tabs.segment_stale, name="stale"),
    path("segments/<int:pk>/", segment_views.segment_page, name="segment"),
    path("segments/<int:pk>/edit/", segment_views.segment_edit, name="segment-edit"),
    path("segments/<int:pk>/members/", segment_tabs.segment_members, name="segment-members"),
    path("segments/<int:pk>/find/", segment_tabs.segment_find, name="segment-find"),
    path("segments/<int:pk>/pick/", segment_tabs.segment_pick, name="segment-pick"),
    path("segments/<int:pk>/history/", segment_tabs.segment_history, name="segment-history"),
    path(
        "segments/<int:pk>/history/export/",
        segment_tabs.segment_changes_export,
        name="segment-changes-export",
    ),
    path("segments/<int:pk>/why/", segment_tabs.segment_why_page, name="segment-why-page"),
    path("segments/<int:pk>/use/", segment_tabs.segment_use, name="segment-use"),
    path("segments/<int:pk>/size/", segment_tabs.segment_size, name="segment-size"),
    path("segments/<int:pk>/stale/", segment_tabs.segment_stale, name="segment-stale"),
    path("segments/<int:pk>/export/", export_views.segment_export, name="segment-export"),
    path("segments/<int:pk>/<slug:what>/", segment_views.segment_act, name="segment-act"),
]
