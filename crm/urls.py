"""Addresses of the customer pages."""

from django.urls import path

from crm import export_views, stage_views, views

app_name = "crm"
urlpatterns = [
    path("customers/", views.customer_list, name="customer-list"),
    path("customers/new/", views.customer_new, name="customer-new"),
    path("customers/export/", export_views.customer_export, name="customer-export"),
    path("customers/<int:pk>/", views.customer_page, name="customer"),
    path("customers/<int:pk>/timeline/", views.customer_timeline, name="customer-timeline"),
    path("customers/<int:pk>/edit/", views.customer_edit, name="customer-edit"),
    path("customers/<int:pk>/identities/", views.identity_add, name="identity-add"),
    path("customers/<int:pk>/stage/", stage_views.stage_set, name="stage-set"),
    path("customers/<int:pk>/tags/", views.tag_add, name="tag-add"),
    path("customers/<int:pk>/tags/<int:tag_pk>/remove/", views.tag_remove, name="tag-remove"),
    path("customers/merges/<int:pk>/undo/", views.merge_undo, name="merge-undo"),
    path("settings/import/", views.import_file, name="import"),
]
