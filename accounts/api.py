"""Who is calling, the jobs, and what happened, over the REST API."""

from __future__ import annotations

import re
from typing import ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.callers import caller
from accounts.models import Team
from accounts.permissions import Requires, rights
from accounts.querysets import team_ids
from accounts.serializers import FeedOut, JobOut, MeOut, SearchOut
from core import search
from core.api.endpoints import Endpoint
from core.demo import is_demo
from core.events import latest_number, read_feed, visible_events
from core.models import Event, Job, JobState, Workspace
from core.paging import Sort, desc
from core.text import clean_text

LATEST = "latest"
MAX_EVENTS = 500
MAX_TYPES = 20
MAX_HITS = 50
AFTER = re.compile(r"[0-9]{1,18}")


@extend_schema(tags=["me"])
class MeEndpoint(Endpoint):
    """The caller."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(
        operation_id="me",
        summary="Who am I",
        description="Whom this key acts for and what it may do; a good first call.",
        responses=MeOut,
    )
    def retrieve(self, request: Request) -> Response:
        user, workspace = caller(request), Workspace.current()
        me = {
            "id": user.pk,
            "email": user.email,
            "name": user.display_name,
            "role": user.role,
            "teams": Team.objects.filter(pk__in=team_ids(user)),
            "rights": sorted(rights(user)),
            "key": request.auth,
            "workspace": {
                "name": workspace.name,
                "zone": workspace.zone,
                "currency": workspace.currency,
                "is_demo": is_demo(),
            },
        }
        return Response(MeOut(me).data)


class JobFilter(django_filters.FilterSet):
    """Filters of jobs."""

    kind = django_filters.CharFilter(max_length=60, label="Such as rebuild or import_orders")
    state = django_filters.ChoiceFilter(choices=JobState.choices, label="How far it is")

    class Meta:
        model = Job
        fields: tuple[str, ...] = ()


@extend_schema(tags=["jobs"])
@extend_schema_view(
    list=extend_schema(
        summary="List jobs", description="Rebuilds, imports and other long work, newest first."
    ),
    retrieve=extend_schema(summary="Get a job", description="Ask again every second or two while it runs."),
)
class JobEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """Work in the background."""

    permission_classes = (Requires("job.read"),)
    serializer_class = JobOut
    filterset_class = JobFilter
    sorts: ClassVar = {"-created": Sort(desc("created_at"))}
    default_sort = "-created"
    lookup_value_regex = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

    def get_queryset(self) -> QuerySet[Job]:
        return Job.objects.all()


@extend_schema(tags=["events"])
class EventEndpoint(Endpoint):
    """The change feed. It has a cursor of its own and no pages."""

    permission_classes = (Requires("event.read"),)
    parameters: ClassVar = {"read": frozenset({"after", "limit", "types"})}
    pagination_class = None  # type: ignore[assignment]
    filter_backends = ()
    queryset = Event.objects.none()

    @extend_schema(
        operation_id="events_list",
        summary="Read what happened",
        description=(
            "Events after a number, in the order in which they could first be seen: one whose transaction "
            "ended late comes late, and none is ever passed by. Begin without `after` for everything kept, "
            "or with `after=latest` for what is to come; then call with `next_after` again and again, and "
            "wait some seconds where `more` is false. With a filter `next_after` moves on past what it left "
            "out."
        ),
        parameters=[
            OpenApiParameter(
                "after",
                {"type": "string", "pattern": "^([0-9]{1,18}|latest)$"},
                description="`next_after` of the call before.",
            ),
            OpenApiParameter(
                "limit", {"type": "integer", "minimum": 1, "maximum": MAX_EVENTS, "default": 100}
            ),
            OpenApiParameter(
                "types",
                OpenApiTypes.STR,
                description="Only these, between commas: `conversation.changed,orders.stored`.",
            ),
        ],
        responses=FeedOut,
    )
    def read(self, request: Request) -> Response:
        after = request.query_params.get("after", "") or "0"
        if after == LATEST:
            return Response({"results": [], "next_after": latest_number(), "more": False})
        number = self._number(after)
        feed = read_feed(number, types=self._types(), limit=self._limit())
        if number > feed.newest:
            detail = f"The newest number is {feed.newest}. This feed was restored or replaced: begin again."
            raise _wrong("after", detail, code="beyond_newest")
        seen = visible_events(feed.events, request.user)
        return Response(FeedOut({"results": seen, "next_after": feed.next_after, "more": feed.more}).data)

    def _number(self, after: str) -> int:
        if not AFTER.fullmatch(after) or not after.isascii():
            raise _wrong("after", "This is next_after of the call before, or the word latest.")
        return int(after)

    def _limit(self) -> int:
        asked = self.request.query_params.get("limit", "") or "100"
        if not (asked.isascii() and asked.isdigit() and 1 <= int(asked[:9]) <= MAX_EVENTS):
            raise _wrong("limit", f"limit is a whole number from 1 to {MAX_EVENTS}.")
        return int(asked)

    def _types(self) -> list[str]:
        asked = self.request.query_params.get("types", "")
        names = [name.strip() for name in asked.split(",") if name.strip()]
        if len(names) > MAX_TYPES or any(len(name) > 60 or "\x00" in name for name in names):
            raise _wrong("types", f"At most {MAX_TYPES} types, such as conversation.changed.")
        return names


@extend_schema(tags=["search"])
class SearchEndpoint(Endpoint):
    """One question to everything."""

    permission_classes = (IsAuthenticated,)
    parameters: ClassVar = {"find": frozenset({"q", "limit", "groups"})}
    pagination_class = None  # type: ignore[assignment]
    filter_backends = ()

    @extend_schema(
        operation_id="search",
        summary="Search everything",
        description=(
            "Customers by any part of a name or handle, a number in any spelling, an order, your own id or "
            '`#7`; orders; messages and notes by all words, `"a phrase"` or the beginning of a word`*`; '
            "tags, segments and personas. What the key may not read is not searched, and of conversations "
            "only those of your teams. Accents and capitals mean nothing in names. A group without a hit is "
            "left out; one that took too long is `slow`: ask with another word. For pages of one kind use "
            "`/customers/?q=`, `/conversations/?q=` or `/interactions/?q=`."
        ),
        parameters=[
            OpenApiParameter(
                "q",
                {"type": "string", "minLength": 1, "maxLength": search.LONGEST},
                description="What to look for.",
                required=True,
            ),
            OpenApiParameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": MAX_HITS, "default": search.ON_PAGE},
                description="Hits a group.",
            ),
            OpenApiParameter(
                "groups", OpenApiTypes.STR, description="Only these, between commas: `customers,orders`."
            ),
        ],
        responses=SearchOut,
    )
    def find(self, request: Request) -> Response:
        text = request.query_params.get("q", "")
        if not clean_text(text).strip() or len(text) > search.LONGEST:
            raise _wrong("q", f"Say what to look for, in at most {search.LONGEST} characters.", "required")
        groups = search.search(text, caller(request), limit=self._hits(), only=self._groups())
        return Response(SearchOut({"groups": groups}).data)

    def _hits(self) -> int:
        asked = self.request.query_params.get("limit", "") or str(search.ON_PAGE)
        if not (asked.isascii() and asked.isdigit() and 1 <= int(asked[:9]) <= MAX_HITS):
            raise _wrong("limit", f"limit is a whole number from 1 to {MAX_HITS}.")
        return int(asked)

    def _groups(self) -> list[str]:
        known = search.record_keys()
        asked = [name.strip() for name in self.request.query_params.get("groups", "").split(",")]
        wanted = [name for name in asked if name]
        if set(wanted) - set(known):
            raise _wrong("groups", f"The groups are {', '.join(known)}.")
        return wanted or known


def _wrong(name: str, detail: str, code: str = "invalid") -> ValidationError:
    return ValidationError({name: [ErrorDetail(detail, code=code)]})
