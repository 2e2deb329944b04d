"""Addresses of plans, advertising, lookalikes and keys for personalization."""

from django.urls import path

from personas import key_views, lookalike_views, reach_views, spend_views

urlpatterns = [
    path("personas/plans/", reach_views.plan_list, name="plan-list"),
    path("personas/plans/new/", reach_views.plan_new, name="plan-new"),
    path("personas/plans/<int:pk>/", reach_views.plan_page, name="plan"),
    path("personas/plans/<int:pk>/delete/", reach_views.plan_delete, name="plan-delete"),
    path("personas/plans/<int:pk>/export/", reach_views.plan_export, name="plan-export"),
    path("personas/plans/<int:pk>/calendar/", reach_views.plan_calendar, name="plan-calendar"),
    path("personas/spend/", spend_views.spend, name="spend"),
    path("personas/spend/customers/", spend_views.spend_customers, name="spend-customers"),
    path("personas/spend/entries/", spend_views.spend_list, name="spend-list"),
    path("personas/spend/entries/new/", spend_views.spend_new, name="spend-new"),
    path("personas/spend/entries/export/", spend_views.spend_export, name="spend-export"),
    path("personas/spend/entries/<int:pk>/", spend_views.spend_edit, name="spend-edit"),
    path("personas/spend/entries/<int:pk>/delete/", spend_views.spend_delete, name="spend-delete"),
    path("personas/<int:pk>/lookalikes/", lookalike_views.lookalikes, name="lookalikes"),
    path("personas/<int:pk>/lookalikes/list/", lookalike_views.lookalike_list, name="lookalike-list"),
    path("personas/<int:pk>/lookalikes/export/", lookalike_views.lookalike_export, name="lookalike-export"),
    path("personas/keys/", key_views.key_list, name="key-list"),
    path("personas/keys/new/", key_views.key_new, name="key-new"),
    path("personas/keys/<int:pk>/revoke/", key_views.key_revoke, name="key-revoke"),
]
