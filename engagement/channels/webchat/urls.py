"""Under /chat/."""

from django.urls import path

from engagement.channels.webchat import settings_views, views

app_name = "webchat"
urlpatterns = [
    path("settings/<slug:site_key>/secret/", settings_views.secret_new, name="secret-new"),
    path("demo/<slug:site_key>/", views.demo, name="demo"),
    path("<slug:site_key>/config", views.config, name="config"),
    path("<slug:site_key>/sessions", views.sessions, name="session-create"),
    path("<slug:site_key>/messages", views.messages, name="messages"),
    path("<slug:site_key>/details", views.details, name="details"),
    path("<slug:site_key>/identify", views.identify, name="identify"),
    path("<slug:site_key>/tickets", views.tickets, name="ticket-create"),
]
