"""Channel accounts over the REST API: what is connected, how each fares, self-test and comparison."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.callers import caller
from accounts.models import Team
from accounts.permissions import Requires
from accounts.serializers import JobOut
from core.api.endpoints import Endpoint
from core.api.fields import checked
from core.api.refusals import Conflict
from core.demo import refuse_while_demo
from core.jobs import JobIsOpen
from core.paging import Sort, asc, desc
from engagement import examining, reconciling
from engagement.channel_serializers import (
    ChannelAccountOut,
    ChannelHealthOut,
    CompareIn,
    FindingOut,
    health_of,
)
from engagement.channels import connectors, paths
from engagement.connecting import connect_account
from engagement.filters import ChannelAccountFilter
from engagement.models import ChannelAccount
from engagement.serializers import ChannelAccountIn

BY_NAME = {"name": Sort(asc("name")), "id": Sort(asc("pk")), "-id": Sort(desc("pk"))}
MANAGED = Requires("channel.manage")


@extend_schema(tags=["channel accounts"])
@extend_schema_view(
    list=extend_schema(summary="List channel accounts", description="Those of the teams you belong to."),
    retrieve=extend_schema(
        summary="Get a channel account",
        description="With its state, and how many items it received, stored, repeated and parked.",
    ),
)
class ChannelAccountEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint):
    """Connected pages, mailboxes and numbers."""

    permission_classes = (Requires("conversation.read", write="channel.manage"),)
    serializer_class = ChannelAccountOut
    filterset_class = ChannelAccountFilter
    sorts = BY_NAME
    default_sort = "name"
    conflicts = frozenset({"create", "compare"})

    def get_queryset(self) -> QuerySet[ChannelAccount]:
        return ChannelAccount.objects.visible_to(self.request.user)

    @extend_schema(
        summary="Make a channel account to push into",
        description=(
            "An account of the connector `api`: interactions come in over `/interactions/` or from files. "
            "Accounts of other connectors are connected in Settings, Channels, where their credentials are."
        ),
        request=ChannelAccountIn,
        responses={201: ChannelAccountOut},
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        values = checked(ChannelAccountIn, request)
        network, external_id = values["network"], values["external_id"]
        link = next(one for one in connectors() if one.takes_pushes and one.settings_form is None)
        refuse_while_demo()
        known = ChannelAccount.objects.filter(
            connector=link.name, network=network, external_id=external_id
        ).first()
        if known is not None:
            detail = f"{network}/{external_id} is channel account {known.pk} already."
            raise Conflict(detail, code="account_exists")
        account = connect_account(
            name=values.get("name") or external_id[:160],
            connector_name=link.name,
            network=network,
            cleaned={"external_id": external_id, "issuer": values.get("issuer", "")},
            team=values.get("team") or Team.general(),
            brand=values.get("brand"),
            goal_minutes=values.get("reply_goal_minutes", 240),
            by=caller(request),
        )
        return Response(ChannelAccountOut(account).data, status=status.HTTP_201_CREATED)

    def one(self) -> ChannelAccount:
        """The account of the address, if the caller's teams see it."""
        found: ChannelAccount = get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])
        return found

    @extend_schema(
        summary="Get a channel account's health",
        description=(
            "What is wrong in words; when something last came and went; the token's life, permissions, "
            "webhook and circuit breaker; what waits or ended badly; and of each of the last 30 local days "
            "how much is here and what the platform said at the last comparison."
        ),
        responses=ChannelHealthOut,
    )
    @action(detail=True, filterset_class=None, permission_classes=[MANAGED])
    def health(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(ChannelHealthOut(health_of(self.one())).data)

    @extend_schema(
        summary="Test a channel account",
        description="Tries every permission at the platform now: what works, and what to do where not.",
        request=None,
        responses=FindingOut(many=True),
    )
    @action(
        detail=True,
        methods=["post"],
        filterset_class=None,
        pagination_class=None,
        permission_classes=[MANAGED],
    )
    def examine(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        account = self.one()
        if not account.is_active or account.connector not in paths():
            raise _refused("account", "This channel account is not connected.", code="not_connected")
        return Response(FindingOut(examining.examine(account), many=True).data)

    @extend_schema(
        summary="Compare a channel account with its platform",
        description=(
            "Starts a job that compares the last days by ids, fetches what is missing and marks what is "
            "gone. Follow the job; the figures stand in the account's health. 409 while one is under way."
        ),
        request=CompareIn,
        responses={202: JobOut},
    )
    @action(detail=True, methods=["post"], filterset_class=None, permission_classes=[MANAGED])
    def compare(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        account, days = self.one(), checked(CompareIn, request)["days"]
        try:
            job = reconciling.compare_now(account=account, days=days, by=caller(request))
        except JobIsOpen:
            raise Conflict("A comparison is under way.", code="comparing") from None
        except ValueError as error:
            raise _refused("account", str(error), code="cannot_compare") from None
        answer = Response(JobOut(job).data, status=status.HTTP_202_ACCEPTED)
        answer["Location"] = reverse("api:job-detail", [job.pk], request=request)
        return answer


def _refused(field: str, text: str, *, code: str) -> ValidationError:
    return ValidationError({field: [ErrorDetail(text, code=code)]})
