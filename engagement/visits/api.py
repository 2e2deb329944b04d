"""Visits over the REST API: from pages and apps by the key of their website, from servers by an API key."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.cache import patch_vary_headers
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import (
    ErrorDetail,
    NotAuthenticated,
    PermissionDenied,
    Throttled,
    ValidationError,
)
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.callers import caller
from accounts.origin import client_ip
from accounts.permissions import check
from accounts.throttling import KeyThrottle
from core.api.endpoints import Endpoint
from core.api.errors import listed
from core.api.fields import checked
from core.api.pushing import Answer, AnswerOut
from core.api.refusals import BodyTooLarge
from core.demo import refuse_while_demo
from engagement.channels.base import Author, Event
from engagement.channels.webchat import tracking
from engagement.channels.webchat.limits import WINDOW
from engagement.channels.webchat.sites import allows, find_site
from engagement.ingest import Outcome
from engagement.models import ChannelAccount, ChatVisitor, Interaction
from engagement.pushing import find_accounts
from engagement.serializers import author_of
from engagement.visits import keeping
from engagement.visits.keeping import Agreement, Kept
from engagement.visits.reading import PRODUCT_PAGES, BadVisit, event_of, is_bot
from engagement.visits.serializers import TrackIn, TrackOut, VisitEventIn

MAX_BODY = 64 * 1024
PREFLIGHT_LASTS = 600
SERVER = "api"


@extend_schema(tags=["events"])
class TrackEndpoint(Endpoint):
    """Page views and app events of people who agreed to it."""

    permission_classes = (AllowAny,)
    throttle_classes = (KeyThrottle,)
    pagination_class = None  # type: ignore[assignment]
    filter_backends = ()
    queryset = Interaction.objects.none()
    conflicts = frozenset({"track"})
    origin_allowed = False

    @extend_schema(
        operation_id="events_track",
        summary="Tell about visits",
        description=(
            "Up to 50 page views and app events of one person, each answered by itself. Nothing is stored "
            "without a consent that says when it was given and to which wording; `given: false` takes it "
            "back and deletes that person's visits. Web pages and apps name their website by its public "
            "`site` key and the visitor by the token of a chat session or a UUID of their own: the origin of "
            "a page must be on the website's list. With an API key that has the right `interaction.write` a "
            "server tells about any identity, into a website's account or one of the connector `api`."
        ),
        request=TrackIn,
        responses=TrackOut,
    )
    def track(self, request: Request) -> Response:
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY:
            raise BodyTooLarge(f"Visits of one call take at most {MAX_BODY // 1024} KB. Send fewer.")
        values = checked(TrackIn, request)
        if "site" in values:
            return self._from_site(request, values)
        return self._from_server(request, values)

    def preflight(self, request: Request) -> Response:
        """Whether a page may ask: any may, and is refused by its call if its website does not list it."""
        self.origin_allowed = True
        return Response(status=204)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        patch_vary_headers(answer, ["Origin"])
        origin = request.headers.get("Origin", "")
        if origin and self.origin_allowed:
            answer["Access-Control-Allow-Origin"] = origin
            answer["Access-Control-Allow-Methods"] = "POST, OPTIONS"
            answer["Access-Control-Allow-Headers"] = "Content-Type"
            answer["Access-Control-Expose-Headers"] = "Retry-After"
            answer["Access-Control-Max-Age"] = str(PREFLIGHT_LASTS)
        return answer

    def _from_site(self, request: Request, values: dict[str, Any]) -> Response:
        site = find_site(values["site"])
        if site is None:
            words = "There is no website of this key that is connected."
            raise ValidationError({"site": [ErrorDetail(words, code="unknown_site")]})
        origin = request.headers.get("Origin", "")
        if origin and not allows(site, origin, f"{request.scheme}://{request.get_host()}"):
            raise PermissionDenied(f"The page {origin[:200]} is not on the list of this website.")
        self.origin_allowed = True
        consent = values.get("consent")
        if consent is None or (consent["given"] and _asks_not_to(request)):
            return _answer([], refused="no_consent" if consent is None else "do_not_track")
        if is_bot(request.headers.get("User-Agent", "")):
            return _answer([], refused="bot")
        if not tracking.address_may_track(client_ip()):
            raise Throttled(wait=WINDOW)
        visitor = _visitor(site, values)
        if not tracking.may_track(visitor):
            raise Throttled(wait=WINDOW)
        if not consent["given"]:
            return _answer([], deleted=tracking.forget(visitor, place=origin))
        return self._keep(
            values,
            tracking.author_of(visitor),
            pages=tracking.product_pages(site),
            store=lambda events: tracking.keep(visitor, events, _agreement(consent, origin)),
        )

    def _from_server(self, request: Request, values: dict[str, Any]) -> Response:
        if request.auth is None:
            raise NotAuthenticated
        by = caller(request)
        check(by, "interaction.write")
        refuse_while_demo()
        account = _account(values, by)
        author, consent = author_of(values["author"]), values.get("consent")
        if consent is None:
            return _answer([], refused="no_consent")
        try:
            key = keeping.key_of(account, author)
        except keeping.BadIdentity as error:
            raise ValidationError({"author": {"external_id": str(error)}}) from error
        if not consent["given"]:
            return _answer([], deleted=keeping.forget_key(key, source=SERVER))
        return self._keep(
            values,
            author,
            pages=account.settings.get("product_pages") or PRODUCT_PAGES,
            any_age=True,
            store=lambda events: keeping.keep_visits(
                account, author, events, _agreement(consent, ""), source=SERVER
            ),
        )

    def _keep(self, values: dict[str, Any], author: Author, *, store: Any, **reading: Any) -> Response:
        answers, events = _read(values.get("events", []), author, **reading)
        kept: Kept = store([event for _, event in events]) if events else Kept()
        if kept.refused:
            return _answer([], refused=kept.refused)
        for place, (answer, event) in enumerate(events):
            if kept.outcomes[place] == Outcome.REJECTED:
                answer.reject("invalid", kept.reasons.get(place, ""))
            else:
                answer.status = kept.outcomes[place].value
                answer.id = kept.ids.get(event.external_id) if self.request.auth else None
        return _answer(answers)


def _read(
    items: list[Any], author: Author, **reading: Any
) -> tuple[list[Answer], list[tuple[Answer, Event]]]:
    """An answer for each item, and the events of those that can be read."""
    answers, events, now = [], [], timezone.now()
    for index, item in enumerate(items):
        given = item.get("id")
        answer = Answer(index, given[:64] if isinstance(given, str) else "")
        answers.append(answer)
        try:
            events.append((answer, event_of(VisitEventIn().visit(item), author, now=now, **reading)))
        except ValidationError as error:
            answer.status, answer.errors = "rejected", listed(error)
        except BadVisit as error:
            answer.reject("invalid", str(error))
    return answers, events


def _answer(answers: list[Answer], *, refused: str = "", deleted: int = 0) -> Response:
    results = AnswerOut(answers, many=True).data
    return Response({"results": results, "refused": refused, "deleted": deleted})


def _asks_not_to(request: Request) -> bool:
    """Whether the browser says of itself that its user wants no tracking."""
    return request.headers.get("Sec-GPC") == "1" or request.headers.get("DNT") == "1"


def _agreement(consent: dict[str, Any], place: str) -> Agreement:
    return Agreement(min(consent["at"], timezone.now()), consent["wording"], place)


def _visitor(site: ChannelAccount, values: dict[str, Any]) -> ChatVisitor:
    try:
        return tracking.visitor_for(site, token=values.get("token", ""), visitor_id=values.get("visitor", ""))
    except tracking.NoVisitor as error:
        attr = "token" if values.get("token") else "visitor"
        raise ValidationError({attr: [str(error)]}) from error


def _account(values: dict[str, Any], by: Any) -> ChannelAccount:
    account = find_accounts([values["account"]], by=by).get(values["account"])
    if account is None or not account.is_active:
        raise ValidationError({"account": ["There is no such channel account that is connected."]})
    return account
