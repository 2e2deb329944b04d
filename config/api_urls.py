"""Addresses of the REST API, version 1."""

from __future__ import annotations

from django.urls import path, re_path
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from core.api.description import SchemaEndpoint
from core.api.endpoints import Nothing
from crm import api as crm

app_name = "api"
router = SimpleRouter()
router.register("customers", crm.CustomerEndpoint, "customer")
router.register("identities", crm.IdentityEndpoint, "identity")
router.register("orders", crm.OrderEndpoint, "order")

urlpatterns = [
    path("schema/", SchemaEndpoint.as_view(), name="schema"),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(url_name="api:schema", template_name="core/api_docs.html"),
        name="docs",
    ),
    *router.urls,
    re_path(r"^.*$", Nothing.as_view()),
]
