"""Addresses of segments, personas and the rebuild."""

from django.urls import path

from personas import (
    card_views,
    export_views,
    panel_views,
    people_views,
    persona_views,
    prediction_views,
    reach_urls,
    segment_views,
    views,
)

app_name = "personas"
urlpatterns = [
    path("personas/people/", people_views.people, name="people"),
    path("personas/people/export/", people_views.people_export, name="people-export"),
    path("rebuild/", views.rebuild_start, name="rebuild-start"),
    path("rebuild/bar/", views.rebuild_bar, name="rebuild-bar"),
    path("segments/", segment_views.segment_list, name="segment-list"),
    path("segments/new/", segment_views.segment_edit, name="segment-new"),
    path("segments/preview/", segment_views.segment_preview, name="segment-preview"),
    path("segments/<int:pk>/", segment_views.segment_page, name="segment"),
    path("segments/<int:pk>/edit/", segment_views.segment_edit, name="segment-edit"),
    path("segments/<int:pk>/export/", export_views.segment_export, name="segment-export"),
    path("segments/<int:pk>/<slug:what>/", segment_views.segment_act, name="segment-act"),
    path("personas/", persona_views.persona_list, name="persona-list"),
    path("personas/models/", prediction_views.model_cards, name="model-cards"),
    path("personas/<int:pk>/", card_views.persona_page, name="persona-detail"),
    path("personas/<int:pk>/members/", persona_views.persona_members, name="persona-members"),
    path("personas/<int:pk>/members/export/", export_views.persona_export, name="persona-export"),
    path("personas/<int:pk>/edit/", card_views.persona_edit, name="persona-edit"),
    path("personas/customers/<int:pk>/", views.customer_panel, name="customer-panel"),
    path("personas/organizations/<int:pk>/", panel_views.organization_mix, name="organization-mix"),
    path(
        "personas/customers/<int:customer_pk>/segments/<int:pk>/", panel_views.segment_why, name="segment-why"
    ),
    *reach_urls.urlpatterns,
]
