"""`GET /api/v1/personalize/`: what a page of the shop may know of whoever looks at it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.utils.cache import patch_vary_headers
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, PermissionDenied, Throttled
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import hash_secret
from accounts.origin import client_ip
from core.api.endpoints import Endpoint
from crm.models import Customer
from engagement.channels.webchat.limits import WINDOW, address_may
from personas.models import PublishableKey
from personas.reach.keys import find_key, note_use
from personas.reach.personalizing import BadProof, customer_of_identity, customer_of_visitor, tell

CALLS_AN_ADDRESS = 600
CALLS_A_PERSON = 60
FRESH_SECONDS = 60
PREFLIGHT_LASTS = 600
VISITOR, IDENTITY = "X-Rapport-Visitor", "X-Rapport-Identity"
EXPIRES, SIGNATURE = "X-Rapport-Expires", "X-Rapport-Signature"
HEADERS = (VISITOR, IDENTITY, EXPIRES, SIGNATURE)


class PublishableKeyAuthentication(BaseAuthentication):
    """A publishable key in the query string. It is nobody: the call stays anonymous."""

    def authenticate(self, request: Request) -> tuple[Any, PublishableKey]:
        if not address_may("personalize", client_ip(), CALLS_AN_ADDRESS):
            raise Throttled(wait=WINDOW)
        key = find_key(request.query_params.get("key", ""))
        if key is None:
            raise AuthenticationFailed("There is no such key, or it was revoked.", code="unknown_key")
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return "PublishableKey"


class PublishableKeyScheme(OpenApiAuthenticationExtension):
    """How the description tells of it."""

    target_class = PublishableKeyAuthentication
    name = "publishableKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "query",
            "name": "key",
            "description": "A publishable key (`pk_…`), made under Personas, Personalization. No secret.",
        }


class NamedOut(serializers.Serializer[Any]):
    """Something by its id and name."""

    id = serializers.IntegerField()
    name = serializers.CharField()


class PersonalizeOut(serializers.Serializer[Any]):
    """What the page may know; nulls and an empty list for whoever is unknown or is not profiled."""

    persona = NamedOut(allow_null=True)
    segments = NamedOut(many=True)
    next_category = serializers.CharField(allow_null=True)


def _header(name: str, words: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.HEADER, description=words)


KNOWN = {
    "persona": {"id": 3, "name": "Weekend gardeners"},
    "segments": [{"id": 12, "name": "Lapsed fans"}],
    "next_category": "houseplants",
}
NOBODY: dict[str, Any] = {"persona": None, "segments": [], "next_category": None}


class PersonalizeEndpoint(Endpoint):
    """Personalization by a publishable key."""

    authentication_classes = (PublishableKeyAuthentication,)
    permission_classes = (AllowAny,)
    throttle_classes = ()
    pagination_class = None  # type: ignore[assignment]
    filter_backends = ()
    queryset = Customer.objects.none()
    # REST framework calls the action of every OPTIONS "metadata"
    parameters = {"read": frozenset({"key"}), "metadata": frozenset({"key"})}  # noqa: RUF012
    key: PublishableKey | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        key = request.auth
        assert isinstance(key, PublishableKey)  # noqa: S101 (the only authentication of this endpoint)
        origin = request.headers.get("Origin", "")
        if origin and origin not in key.origins:
            raise PermissionDenied("This page is not on the list of this key.", code="origin_not_allowed")
        self.key = key

    @extend_schema(
        operation_id="personalize",
        tags=["personas"],
        summary="Personalize a page of the shop",
        description=(
            "By a publishable key (`key`), and a proof of who asks: `X-Rapport-Visitor` with the token that "
            "our website script keeps, or `X-Rapport-Identity`, `X-Rapport-Expires` and "
            "`X-Rapport-Signature`, signed by the shop's server. Pages may ask from the key's origins alone. "
            "Whoever is unknown, was erased or refuses profiling is answered with nulls. To be kept for a "
            "minute, by the browser alone. 401 `unknown_key` or `no_proof`, 403 `origin_not_allowed`, "
            "`bad_signature`, `expired` or `too_long`."
        ),
        parameters=[
            _header(VISITOR, "Token of the website script's visitor."),
            _header(IDENTITY, "`network:id` or `network/issuer:id`, percent-encoded."),
            _header(EXPIRES, "Unix time after which the signature is worth nothing; 24 hours ahead at most."),
            _header(SIGNATURE, "Hexadecimal HMAC-SHA256 of key, identity and expiry, a line each."),
        ],
        responses=PersonalizeOut,
        examples=[
            OpenApiExample("Somebody we know", KNOWN, response_only=True),
            OpenApiExample("Anybody else", NOBODY, response_only=True),
        ],
    )
    def read(self, request: Request) -> Response:
        assert self.key is not None  # noqa: S101 (set before any action)
        customer = self._customer(self.key, request)
        self._refuse_too_many(request)
        told = tell(self.key, customer)
        note_use(self.key)
        answer = Response(PersonalizeOut(asdict(told)).data)
        answer["Cache-Control"] = f"private, max-age={FRESH_SECONDS}"
        return answer

    def preflight(self, request: Request) -> Response:
        """Whether a page may ask: its origin is on the key's list, or the call was refused before."""
        return Response(status=204)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        patch_vary_headers(answer, ["Origin", *HEADERS])
        if not answer.has_header("Cache-Control"):
            answer["Cache-Control"] = "no-store"
        origin = request.headers.get("Origin", "")
        if origin and self.key is not None:
            answer["Access-Control-Allow-Origin"] = origin
            answer["Access-Control-Allow-Methods"] = "GET, OPTIONS"
            answer["Access-Control-Allow-Headers"] = ", ".join(HEADERS)
            answer["Access-Control-Expose-Headers"] = "Retry-After"
            answer["Access-Control-Max-Age"] = str(PREFLIGHT_LASTS)
        return answer

    def _refuse_too_many(self, request: Request) -> None:
        """One person asks a page at a time; the counter's name is a hash, so that it names nobody.

        Asked once the proof holds: else whoever guesses an address could use up its owner's calls.
        """
        proof = request.headers.get(IDENTITY, "") or request.headers.get(VISITOR, "")
        if proof and not address_may("personalize-one", hash_secret(proof), CALLS_A_PERSON):
            raise Throttled(wait=WINDOW)

    @staticmethod
    def _customer(key: PublishableKey, request: Request) -> Customer | None:
        headers = request.headers
        if IDENTITY in headers or SIGNATURE in headers:
            try:
                return customer_of_identity(
                    key,
                    identity=headers.get(IDENTITY, ""),
                    expires=headers.get(EXPIRES, ""),
                    signature=headers.get(SIGNATURE, ""),
                )
            except BadProof as error:
                raise PermissionDenied(str(error), code=error.code) from error
        if VISITOR in headers:
            return customer_of_visitor(headers[VISITOR])
        raise NotAuthenticated("Send the visitor's token, or a signed identity.", code="no_proof")
