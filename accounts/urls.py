"""Addresses of the account pages and of Settings; allauth's own stand in `accounts.entrance_urls`."""

from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("", views.home, name="home"),
    path("invitation/<str:token>/", views.invitation_accept, name="invitation-accept"),
    path("first/<str:token>/", views.first_admin, name="first-admin"),
    path("notices/", views.notice_list, name="notice-list"),
    path("notices/count/", views.notice_count, name="notice-count"),
    path("theme/", views.theme_set, name="theme-set"),
    path("settings/", views.settings_index, name="settings"),
    path("settings/profile/", views.profile, name="profile"),
    path("settings/security/", views.security, name="security"),
    path("settings/workspace/", views.workspace_edit, name="workspace"),
    path("settings/staff/", views.staff_list, name="staff-list"),
    path("settings/staff/invite/", views.staff_invite, name="staff-invite"),
    path("settings/staff/<int:pk>/", views.staff_edit, name="staff-edit"),
    path("settings/staff/<int:pk>/deactivate/", views.staff_deactivate, name="staff-deactivate"),
    path("settings/staff/<int:pk>/reactivate/", views.staff_reactivate, name="staff-reactivate"),
    path("settings/invitations/<int:pk>/withdraw/", views.invitation_withdraw, name="invitation-withdraw"),
    path("settings/teams/", views.team_list, name="team-list"),
    path("settings/teams/new/", views.team_create, name="team-create"),
    path("settings/teams/<int:pk>/", views.team_edit, name="team-edit"),
    path("settings/teams/<int:pk>/delete/", views.team_delete, name="team-delete"),
    path("settings/keys/", views.key_list, name="key-list"),
    path("settings/keys/new/", views.key_create, name="key-create"),
    path("settings/keys/<int:pk>/revoke/", views.key_revoke, name="key-revoke"),
    path("settings/audit/", views.audit_list, name="audit-list"),
    path("settings/audit/export/", views.audit_export, name="audit-export"),
]
