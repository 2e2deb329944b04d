"""What the inbox shows: its views with their counts, its filters, and the order of its list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Team, User
from accounts.querysets import team_ids
from core import networks
from core.paging import EPOCH, CappedCount, Page, Sort, asc, capped_counts, desc, hash_filters, paginate
from crm import groups
from engagement.models import ChannelAccount, Conversation
from engagement.querysets import visible_teams

LIMIT = 40
CAP = 99
FAR = EPOCH.replace(year=9999)
SORTS = {
    "-last": Sort(desc("last_at"), label=str(_("Newest first"))),
    "last": Sort(asc("last_at"), label=str(_("Oldest first"))),
    "due": Sort(asc("due_at", null=FAR), label=str(_("Next clock first"))),
    "-priority": Sort(desc("priority"), desc("last_at"), label=str(_("Most urgent first"))),
}
DEFAULT_SORT = "-last"
FILTERS = ("view", "network", "account", "team", "tag", "assignee", "persona", "segment", "q", "sort")


@dataclass(frozen=True)
class View:
    """One entry of the inbox's views."""

    key: str
    label: str | Promise
    icon: str
    select: Callable[[Any, User], Any]


VIEWS = {
    view.key: view
    for view in (
        View("mine", _("Mine"), "user", lambda qs, user: qs.mine(user)),
        View("unassigned", _("Unassigned"), "user-question", lambda qs, user: qs.unassigned()),
        View("mentions", _("Mentions"), "at", lambda qs, user: qs.mentioning(user)),
        View("overdue", _("Overdue"), "alarm", lambda qs, user: qs.overdue()),
        View("snoozed", _("Snoozed"), "zzz", lambda qs, user: qs.snoozed()),
        View("open", _("All open"), "stack-2", lambda qs, user: qs.open()),
        View("resolved", _("Resolved"), "circle-check", lambda qs, user: qs.resolved()),
        View("all", _("Everything"), "archive", lambda qs, user: qs),
    )
}
COUNTED = ("mine", "unassigned", "mentions", "overdue", "snoozed", "open")


@dataclass(frozen=True)
class Asked:
    """The filters of one request, checked."""

    view: str = "mine"
    network: str = ""
    account: int | None = None
    team: int | None = None
    tag: str = ""
    assignee: int | None = None
    persona: int | str | None = None
    segment: int | str | None = None
    q: str = ""
    sort: str = DEFAULT_SORT

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Asked:
        """Read from a query string. Raises BadRequest naming what cannot be meant."""
        view, sort = query.get("view") or _default_view(query), query.get("sort") or DEFAULT_SORT
        if view not in VIEWS:
            raise BadRequest(f"view is one of: {', '.join(VIEWS)}.")
        if sort not in SORTS:
            raise BadRequest(f"sort is one of: {', '.join(SORTS)}.")
        return cls(
            view=view,
            network=query.get("network", "")[:30],
            account=_number(query, "account"),
            team=_number(query, "team"),
            tag=query.get("tag", "")[:60],
            assignee=_number(query, "assignee"),
            persona=_group(query, "persona"),
            segment=_group(query, "segment"),
            q=query.get("q", "").replace("\x00", "").strip()[:200],
            sort=sort,
        )

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Name and value of each filter that says something."""
        return [(name, str(getattr(self, name))) for name in FILTERS if getattr(self, name)]

    @property
    def query(self) -> str:
        """The filters as a query string."""
        return urlencode(self.pairs)

    @property
    def narrowed(self) -> bool:
        """Whether anything but the view narrows the list."""
        return any(getattr(self, name) for name in FILTERS if name not in ("view", "sort"))


def _default_view(query: Mapping[str, str]) -> str:
    narrowed = any(query.get(name) for name in ("network", "account", "team", "persona", "segment"))
    return "open" if narrowed else "mine"


def _number(query: Mapping[str, str], name: str) -> int | None:
    value = query.get(name, "")
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        raise BadRequest(f"{name} is a number.")
    return int(value)


def _group(query: Mapping[str, str], name: str) -> int | str | None:
    return groups.NONE if query.get(name) == groups.NONE else _number(query, name)


def conversations(user: User, asked: Asked) -> Any:
    """The conversations that this person sees under these filters."""
    found = VIEWS[asked.view].select(Conversation.objects.visible_to(user), user)
    if asked.network:
        found = found.filter(account_id__in=_account_ids(asked.network))
    if asked.account:
        found = found.filter(account_id=asked.account)
    if asked.team:
        found = found.filter(team_id=asked.team)
    if asked.assignee:
        found = found.filter(assignee_id=asked.assignee)
    if asked.tag:
        found = found.filter(conversation_tags__tag__name__iexact=asked.tag)
    for kind in ("persona", "segment"):
        if chosen := getattr(asked, kind):
            found = groups.narrowed(found, kind, chosen, by="customer_id")
    return found.matching(asked.q, user)


def _account_ids(network: str) -> list[int]:
    return list(ChannelAccount.objects.filter(network=network).values_list("pk", flat=True))


def page_of(user: User, asked: Asked, *, after: str | None = None) -> Page[Conversation]:
    """One page of the list, with what its rows show."""
    rows = conversations(user, asked).for_rows(user)
    return paginate(
        rows, sort=SORTS[asked.sort], after=after or None, limit=LIMIT, filters_hash=hash_filters(asked.pairs)
    )


# Views with their counts


@dataclass(frozen=True)
class Entry:
    """One line of the views' pane."""

    label: str | Promise
    query: str
    count: CappedCount | None
    is_current: bool
    icon: str = ""
    network: str = ""
    is_late: bool = False


@dataclass(frozen=True)
class Pane:
    """The views' pane: fixed views, channels, teams, and the personas of who wrote."""

    views: Sequence[Entry]
    channels: Sequence[Entry]
    teams: Sequence[Entry]
    personas: Sequence[Entry]


def pane_for(user: User, asked: Asked) -> Pane:
    """Every entry with its capped count: four statements however many channels, teams and personas."""
    seen = Conversation.objects.visible_to(user)
    accounts = _accounts_by_network(user)
    teams = list(visible_teams(user))
    wanted: dict[str, QuerySet[Any]] = {key: VIEWS[key].select(seen, user) for key in COUNTED}
    for network, ids in accounts.items():
        wanted[f"network:{network}"] = seen.open().filter(account_id__in=ids)
    for team in teams:
        wanted[f"team:{team.pk}"] = seen.open().filter(team_id=team.pk)
    counts = capped_counts(wanted, cap=CAP)
    return Pane(
        views=[_view_entry(key, asked, counts.get(key)) for key in VIEWS if key != "all"],
        channels=[_channel_entry(name, asked, counts[f"network:{name}"]) for name in accounts],
        teams=[_team_entry(team, asked, counts[f"team:{team.pk}"]) for team in teams],
        personas=[_persona_entry(pk, name, asked) for pk, name in groups.choices("persona")],
    )


def _view_entry(key: str, asked: Asked, count: CappedCount | None) -> Entry:
    view = VIEWS[key]
    current = asked.view == key and not (asked.network or asked.team or asked.persona)
    return Entry(view.label, f"view={key}", count, current, icon=view.icon, is_late=key == "overdue")


def _channel_entry(network: str, asked: Asked, count: CappedCount) -> Entry:
    label = networks.get(network).label
    return Entry(label, urlencode({"network": network}), count, asked.network == network, network=network)


def _team_entry(team: Team, asked: Asked, count: CappedCount) -> Entry:
    return Entry(team.name, f"team={team.pk}", count, asked.team == team.pk, icon="users-group")


def _persona_entry(pk: int, name: str, asked: Asked) -> Entry:
    """Without a count: that of a persona few of whom write would read every open conversation."""
    return Entry(name, f"persona={pk}", None, asked.persona == pk, icon="masks-theater")


def _accounts_by_network(user: User) -> dict[str, list[int]]:
    """Ids of the accounts of each network on which this person's teams hear anything."""
    rows = ChannelAccount.objects.filter(team_id__in=team_ids(user)).values_list("network", "pk")
    found: dict[str, list[int]] = {}
    for network, pk in rows:
        found.setdefault(network, []).append(pk)
    return dict(sorted(found.items(), key=lambda pair: networks.get(pair[0]).label))


def waiting_for(user: User) -> CappedCount:
    """How many open conversations this person handles: the number beside Inbox in the rail."""
    mine = Conversation.objects.visible_to(user).mine(user)
    return capped_counts({"mine": mine}, cap=CAP)["mine"]


def matches(user: User, asked: Asked, pk: int) -> Conversation | None:
    """The row of one conversation, if it belongs to the list under these filters."""
    found: Conversation | None = conversations(user, asked).for_rows(user).filter(pk=pk).first()
    return found
