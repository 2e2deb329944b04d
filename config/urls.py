"""Where every page and endpoint begins."""

from django.urls import URLPattern, URLResolver, include, path

from core.health import healthz

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("", include("accounts.urls")),
    path("", include("accounts.shell_urls")),
    path("accounts/", include("accounts.entrance_urls")),
    path("", include("engagement.urls")),
    path("", include("crm.urls")),
    path("", include("personas.urls")),
    path("", include("analytics.urls")),
    path("api/v1/", include("config.api_urls")),
    path("p/", include("crm.preferences.urls")),
    path("chat/", include("engagement.channels.webchat.urls")),
]
