"""Addresses of the REST API, version 1."""

from __future__ import annotations

from django.urls import path, re_path
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from accounts import api as accounts
from core.api.description import SchemaEndpoint
from core.api.endpoints import Nothing
from crm import api as crm
from crm import consent_api
from crm import merge_api as merging
from crm import record_api as record
from crm.import_api import ImportEndpoint
from crm.privacy import api as privacy
from crm.suspect_api import SuspectEndpoint
from engagement import api as engagement
from engagement import channel_api as channels
from engagement.visits.api import TrackEndpoint
from personas import api as personas
from personas import card_api as cards
from personas import prediction_api as predictions
from personas import reach_api as reach
from personas import reading_api as reading
from personas import segment_api as segments
from personas import trait_api as traits
from personas.persona_api import PersonaModelEndpoint
from personas.personalize_api import PersonalizeEndpoint
from personas.settings_api import PersonaSettingsEndpoint

app_name = "api"
router = SimpleRouter()
router.register("customers", crm.CustomerEndpoint, "customer")
router.register("identities", crm.IdentityEndpoint, "identity")
router.register("merges", merging.MergeEndpoint, "merge")
router.register("orders", crm.OrderEndpoint, "order")
router.register("suspects", SuspectEndpoint, "suspect")
router.register("notes", record.NoteEndpoint, "note")
router.register("tasks", record.TaskEndpoint, "task")
router.register("affiliations", record.AffiliationEndpoint, "affiliation")
router.register("imports", ImportEndpoint, "import")
router.register("tags", record.TagEndpoint, "tag")
router.register("custom-fields", record.FieldEndpoint, "custom-field")
router.register("channel-accounts", channels.ChannelAccountEndpoint, "channel-account")
router.register("interactions", engagement.InteractionEndpoint, "interaction")
router.register("conversations", engagement.ConversationEndpoint, "conversation")
router.register("segments", segments.SegmentEndpoint, "segment")
router.register("personas", personas.PersonaEndpoint, "persona")
router.register("persona-models", PersonaModelEndpoint, "persona-model")
router.register("ad-spend", reach.AdSpendEndpoint, "ad-spend")
router.register("reach-plans", reach.ReachPlanEndpoint, "reach-plan")
router.register("text-models", reading.TextModelEndpoint, "text-model")
router.register("jobs", accounts.JobEndpoint, "job")

urlpatterns = [
    path("schema/", SchemaEndpoint.as_view(), name="schema"),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(url_name="api:schema", template_name="core/api_docs.html"),
        name="docs",
    ),
    path("events/", accounts.EventEndpoint.as_view({"get": "read"}), name="event-list"),
    path(
        "events/track/",
        TrackEndpoint.as_view({"post": "track", "options": "preflight"}),
        name="event-track",
    ),
    path("search/", accounts.SearchEndpoint.as_view({"get": "find"}), name="search"),
    path("me/", accounts.MeEndpoint.as_view({"get": "retrieve"}), name="me"),
    re_path(
        r"^customers/(?P<pk>[0-9]{1,19})/memberships/$",
        personas.MembershipEndpoint.as_view({"get": "retrieve"}),
        name="customer-memberships",
    ),
    re_path(
        r"^customers/(?P<pk>[0-9]{1,19})/predictions/$",
        predictions.CustomerPredictionEndpoint.as_view({"get": "retrieve"}),
        name="customer-predictions",
    ),
    path(
        "predictions/models/",
        predictions.ModelCardEndpoint.as_view({"get": "read"}),
        name="prediction-models",
    ),
    *traits.urls,
    *consent_api.urls,
    *privacy.urls,
    path("customers/merge/", merging.MergeEndpoint.as_view({"post": "merge"}), name="customer-merge"),
    re_path(
        r"^identities/(?P<pk>[0-9]{1,19})/move/$",
        merging.AttachEndpoint.as_view({"post": "move"}),
        name="identity-move",
    ),
    re_path(
        r"^identities/(?P<pk>[0-9]{1,19})/detach/$",
        merging.AttachEndpoint.as_view({"post": "detach"}),
        name="identity-detach",
    ),
    re_path(
        r"^personas/(?P<pk>[0-9]{1,19})/lookalikes/$",
        reach.LookalikeEndpoint.as_view({"get": "read"}),
        name="persona-lookalikes",
    ),
    path(
        "personalize/",
        PersonalizeEndpoint.as_view({"get": "read", "options": "preflight"}),
        name="personalize",
    ),
    path(
        "persona-settings/",
        PersonaSettingsEndpoint.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="persona-settings",
    ),
    path("rereads/", reading.RereadEndpoint.as_view({"post": "create"}), name="reread-list"),
    path("rebuilds/", personas.RebuildEndpoint.as_view({"post": "create"}), name="rebuild-list"),
    *cards.urls,
    *router.urls,
    re_path("", Nothing.as_view()),
]
