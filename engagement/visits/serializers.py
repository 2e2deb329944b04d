"""How visits are written over the API, and how a call is answered."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from core.api.fields import Input, Text, WhenField
from core.api.pushing import AnswerOut
from engagement.serializers import AccountField, AuthorIn
from engagement.visits.reading import MAX_EVENTS, PAGE_VIEW, VisitIn

REFUSED = ("", "no_consent", "withdrawn", "do_not_track", "bot")
SITE = {
    "site": "0f8a4c2e9b7d6135",
    "visitor": "019aa6f2-6c1e-7d3a-9a44-0e6a5b1f2c3d",
    "consent": {"given": True, "at": "2026-11-20T09:30:00Z", "wording": "2026-05"},
    "events": [
        {
            "id": "7c0d1f",
            "event": "page_view",
            "at": "2026-11-20T09:31:00Z",
            "url": "https://shop.example/products/kettle?utm_source=mail",
            "title": "Kettle",
            "referrer": "https://search.example/",
        },
        {"id": "7c0d20", "event": "added_to_cart", "properties": {"sku": "k-1", "price": 49}},
    ],
}
SERVER = {
    "account": "app/acme_shop",
    "author": {"external_id": "eva@example.org", "network": "email"},
    "consent": {"given": True, "at": "2026-11-20T09:30:00Z", "wording": "terms 4"},
    "events": [{"id": "7c0d21", "event": "opened_app"}],
}


class VisitEventIn(Input):
    """One page view or event."""

    id = Text(max_length=64, help_text="Yours; the same again is the same visit, never a second one.")
    event = Text(
        required=False, max_length=60, default=PAGE_VIEW, help_text="`page_view` or a name of yours."
    )
    at = WhenField(required=False)
    url = Text(required=False, allow_blank=True, max_length=4000)
    title = Text(required=False, allow_blank=True, max_length=1000)
    referrer = Text(required=False, allow_blank=True, max_length=4000)
    properties = serializers.DictField(
        required=False, help_text="At most 20 texts, numbers, true or false; 2,000 bytes in all."
    )

    def visit(self, data: Any) -> VisitIn:
        """What was sent, checked."""
        return VisitIn(**self.run_validation(data))


class ConsentIn(Input):
    """What the visitor agreed to, and when; `given: false` takes it back and deletes their visits."""

    given = serializers.BooleanField()
    at = WhenField(required=False)
    wording = Text(required=False, max_length=60, help_text="Version of the words they agreed to.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        missing = [name for name in ("at", "wording") if not attrs.get(name)]
        if attrs["given"] and missing:
            words = "A consent says when it was given and to which wording."
            raise ValidationError({name: [ErrorDetail(words, code="required")] for name in missing})
        return attrs


@extend_schema_serializer(
    examples=[
        OpenApiExample("From a web page or an app", SITE, request_only=True),
        OpenApiExample("From your server, with a key", SERVER, request_only=True),
    ]
)
class TrackIn(Input):
    """Visits of one person: from a page or an app by `site`, from a server by `account` and `author`."""

    site = Text(required=False, max_length=200, help_text="Key of a connected website; public.")
    visitor = Text(required=False, allow_blank=True, max_length=60, help_text="A UUID that your app keeps.")
    token = Text(required=False, allow_blank=True, max_length=200, help_text="Token of a chat session.")
    account = AccountField(required=False)
    author = AuthorIn(required=False)
    consent = ConsentIn(required=False, help_text="Without it nothing is stored.")
    events = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        max_length=MAX_EVENTS,
        help_text="Each with id, event, at, url, title, referrer and properties.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "site" in attrs:
            if "account" in attrs or "author" in attrs:
                words = "Send site, or account and author."
                raise ValidationError({"account": [ErrorDetail(words, code="invalid")]})
            return attrs
        missing = [name for name in ("account", "author") if name not in attrs]
        if missing:
            words = "Name a site, or the account and the author with an API key."
            raise ValidationError({name: [ErrorDetail(words, code="required")] for name in missing})
        return attrs


class TrackOut(serializers.Serializer[Any]):
    """What became of the visits, in the order sent."""

    results = AnswerOut(many=True)
    refused = serializers.ChoiceField(
        choices=REFUSED,
        allow_blank=True,
        help_text=(
            "Why nothing was stored: no consent came along, it was withdrawn since, the browser asks not to "
            "be tracked, or it is a robot's."
        ),
    )
    deleted = serializers.IntegerField(help_text="Visits that were deleted because consent was taken back.")
