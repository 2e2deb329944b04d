"""Addresses of the customer pages."""

from django.urls import include, path

from crm import (
    export_views,
    field_views,
    import_views,
    list_views,
    merge_views,
    record_views,
    stage_views,
    task_views,
    views,
)

app_name = "crm"
urlpatterns = [
    path("customers/", list_views.customer_list, name="customer-list"),
    path("customers/new/", record_views.customer_new, name="customer-new"),
    path("customers/export/", export_views.customer_export, name="customer-export"),
    path("customers/bulk/", list_views.customer_bulk, name="customer-bulk"),
    path("customers/<int:pk>/", views.customer_page, name="customer"),
    path("customers/<int:pk>/timeline/", views.customer_timeline, name="customer-timeline"),
    path("customers/<int:pk>/edit/", record_views.customer_edit, name="customer-edit"),
    path("customers/pick/", record_views.customer_pick, name="customer-pick"),
    path("customers/<int:pk>/identities/", views.identity_add, name="identity-add"),
    path("customers/<int:pk>/stage/", stage_views.stage_set, name="stage-set"),
    path("customers/<int:pk>/tags/", record_views.tag_add, name="tag-add"),
    path("customers/<int:pk>/tags/<int:tag_pk>/remove/", record_views.tag_remove, name="tag-remove"),
    path("customers/merge/", merge_views.customer_merge, name="customer-merge"),
    path("customers/merge/find/", merge_views.merge_find, name="merge-find"),
    path("customers/merges/<int:pk>/undo/", merge_views.merge_undo, name="merge-undo"),
    path("customers/identities/<int:pk>/", merge_views.identity_page, name="identity"),
    path("customers/identities/<int:pk>/attach/", merge_views.identity_attach, name="identity-attach"),
    path("customers/identities/<int:pk>/detach/", merge_views.identity_detach, name="identity-detach"),
    path("customers/<int:pk>/notes/", record_views.note_add, name="note-add"),
    path("customers/notes/<int:pk>/", record_views.note_edit, name="note-edit"),
    path("customers/notes/<int:pk>/delete/", record_views.note_delete, name="note-delete"),
    path("customers/<int:pk>/people/", record_views.affiliation_add, name="affiliation-add"),
    path(
        "customers/<int:pk>/people/<int:other_pk>/end/", record_views.affiliation_end, name="affiliation-end"
    ),
    path("customers/<int:pk>/tasks/", task_views.task_add, name="task-add"),
    path("tasks/", task_views.task_list, name="task-list"),
    path("tasks/count/", task_views.task_count, name="task-count"),
    path("tasks/<int:pk>/", task_views.task_edit, name="task-edit"),
    path("tasks/<int:pk>/done/", task_views.task_finish, name="task-finish"),
    path("", include("crm.suspect_urls")),
    path("", include("crm.consent_urls")),
    path("", include("crm.privacy.urls")),
    path("settings/fields/", field_views.field_list, name="field-list"),
    path("settings/fields/new/", field_views.field_new, name="field-new"),
    path("settings/fields/<int:pk>/", field_views.field_edit, name="field-edit"),
    path("settings/fields/<int:pk>/move/", field_views.field_move, name="field-move"),
    path("settings/fields/<int:pk>/archive/", field_views.field_archive, name="field-archive"),
    path("settings/import/", import_views.import_list, name="import"),
    path("settings/import/<int:pk>/", import_views.import_run, name="import-run"),
    path("settings/import/<int:pk>/columns/", import_views.import_map, name="import-map"),
    path("settings/import/<int:pk>/read/", import_views.import_read, name="import-read"),
    path("settings/import/<int:pk>/rejected/", import_views.import_rejected, name="import-rejected"),
    path("settings/import/<int:pk>/<slug:action>/", import_views.import_act, name="import-act"),
    path("settings/import/presets/<int:pk>/delete/", import_views.preset_delete, name="import-preset-delete"),
]
