"""Addresses about consents, under those of the customer pages."""

from django.urls import path

from crm import audience_views, consent_views

urlpatterns = [
    path("audiences/list/", audience_views.audience, {"kind": audience_views.LIST}, name="audience-list"),
    path("audiences/<slug:kind>/<int:pk>/", audience_views.audience, name="audience"),
    path("customers/<int:pk>/consents/", consent_views.consent_add, name="consent-add"),
    path("customers/<int:pk>/consents/ask/", consent_views.consent_ask, name="consent-ask"),
    path("customers/<int:pk>/page-link/", consent_views.page_link, name="page-link"),
    path("customers/<int:pk>/page-links/end/", consent_views.page_links_end, name="page-links-end"),
]
