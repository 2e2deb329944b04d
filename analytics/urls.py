"""Addresses of the analytics pages."""

from django.urls import path, re_path

from analytics import views

app_name = "analytics"
urlpatterns = [
    path("analytics/", views.overview, name="overview"),
    path("analytics/export/<slug:figure>/", views.export, name="export"),
    path("analytics/interactions/", views.interaction_list, name="interaction-list"),
    path("analytics/conversations/", views.conversation_list, name="conversation-list"),
    re_path(
        r"^analytics/(?P<kind>interactions|conversations|orders)/export/$",
        views.row_export,
        name="row-export",
    ),
    path("analytics/orders/", views.order_list, name="order-list"),
]
