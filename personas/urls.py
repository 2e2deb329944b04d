"""Addresses of segments, personas and the rebuild."""

from django.urls import path

from personas import (
    card_urls,
    export_views,
    panel_views,
    people_views,
    persona_urls,
    prediction_views,
    reach_urls,
    reading_urls,
    segment_urls,
    views,
)

app_name = "personas"
urlpatterns = [
    path("personas/people/", people_views.people, name="people"),
    path("personas/people/export/", people_views.people_export, name="people-export"),
    path("rebuild/", views.rebuild_start, name="rebuild-start"),
    path("rebuild/bar/", views.rebuild_bar, name="rebuild-bar"),
    *segment_urls.urlpatterns,
    *persona_urls.urlpatterns,
    path("personas/models/", prediction_views.model_cards, name="model-cards"),
    path("personas/models/<slug:name>/", prediction_views.model_card, name="model-card"),
    path("personas/<int:pk>/members/export/", export_views.persona_export, name="persona-export"),
    path("personas/customers/<int:pk>/", views.customer_panel, name="customer-panel"),
    path("personas/organizations/<int:pk>/", panel_views.organization_mix, name="organization-mix"),
    path(
        "personas/customers/<int:customer_pk>/segments/<int:pk>/", panel_views.segment_why, name="segment-why"
    ),
    *card_urls.urlpatterns,
    *reach_urls.urlpatterns,
    *reading_urls.urlpatterns,
]
