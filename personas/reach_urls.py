"""Addresses of plans, advertising, lookalikes and keys for personalization."""

from django.urls import path

from personas import spend_views

urlpatterns = [
    path("personas/spend/", spend_views.spend, name="spend"),
    path("personas/spend/customers/", spend_views.spend_customers, name="spend-customers"),
    path("personas/spend/entries/", spend_views.spend_list, name="spend-list"),
    path("personas/spend/entries/new/", spend_views.spend_new, name="spend-new"),
    path("personas/spend/entries/export/", spend_views.spend_export, name="spend-export"),
    path("personas/spend/entries/<int:pk>/", spend_views.spend_edit, name="spend-edit"),
    path("personas/spend/entries/<int:pk>/delete/", spend_views.spend_delete, name="spend-delete"),
]
