"""How people read a journey: the five steps, when each was reached, and what moved somebody there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.journey import BY_HAND, RELEASED, TOLD, is_by_hand
from crm.models import Customer, Order, Stage, StageChange

SHOWN = 50
WHY: Mapping[str, Promise | str] = {
    "comment": gettext_lazy("First comment"),
    "mention": gettext_lazy("Mentioned us"),
    "review": gettext_lazy("Wrote a review"),
    "visit": gettext_lazy("First visit"),
    "survey": gettext_lazy("Answered a survey"),
    "message": gettext_lazy("First message"),
    "call": gettext_lazy("First call"),
    "question": gettext_lazy("Asked a question"),
    "private": gettext_lazy("Wrote in private"),
    "products": gettext_lazy("Looked at products twice"),
    "cart": gettext_lazy("Put something into the cart"),
    "first_order": gettext_lazy("First order"),
    "order_again": gettext_lazy("Ordered again"),
    "good_review": gettext_lazy("Good review"),
    "praise": gettext_lazy("Praised us in public"),
    "referral": gettext_lazy("Referred somebody"),
    "silence": gettext_lazy("Silent for a year"),
    BY_HAND: gettext_lazy("Set by hand"),
    RELEASED: gettext_lazy("Follows what happens again"),
    TOLD: gettext_lazy("Told by another system"),
}


@dataclass(frozen=True)
class Cause:
    """What moved somebody, as far as the reader may see it: its name, and where it is shown."""

    label: str
    url: str = ""


Describe = Callable[[Sequence[int], Any], Mapping[int, Cause]]
_describers: dict[str, Describe] = {}


def register_cause(kind: str, describe: Describe) -> None:
    """`describe(ids, user)` names those causes of this kind that the reader may see."""
    _describers[kind] = describe


@dataclass(frozen=True)
class Line:
    """One change of the stage, with what moved it."""

    change: StageChange
    cause: Cause | None = None

    @property
    def why(self) -> str:
        """First order, Asked a question …; what an import or an older version wrote is shown as it is."""
        return str(WHY.get(self.change.why, self.change.why.replace("_", " ").capitalize()))

    @property
    def is_by_hand(self) -> bool:
        return not self.change.cause


@dataclass(frozen=True)
class Step:
    """One of the five stages: done, now or ahead, and how it was reached."""

    value: str
    label: str
    state: str
    line: Line | None = None


@dataclass(frozen=True)
class Journey:
    """What the panel shows. `set_by` is the change by which somebody chose the stage that holds now."""

    steps: list[Step]
    history: list[Line] = field(default_factory=list)
    is_by_hand: bool = False
    set_by: StageChange | None = None


def panel(request: HttpRequest, customer: Customer) -> Journey:
    """The journey of one customer: the newest changes, in as many statements however many there are."""
    changes = StageChange.objects.filter(customer=customer).select_related("by").order_by("-at", "-id")
    history = lines(list(changes[:SHOWN]), request.user)
    chosen = next((one.change for one in history if one.change.why == BY_HAND), None)
    by_hand = is_by_hand(customer)
    return Journey(_steps(customer, history), history, by_hand, chosen if by_hand else None)


def _steps(customer: Customer, history: Sequence[Line]) -> list[Step]:
    """A stage behind the present one shows when it was last reached; one ahead shows nothing."""
    reached = Stage.values.index(customer.stage)
    newest: dict[str, Line] = {}
    for line in history:
        newest.setdefault(line.change.after, line)
    return [
        Step(
            value,
            str(label),
            "done" if place < reached else "now" if place == reached else "",
            newest.get(value) if place <= reached else None,
        )
        for place, (value, label) in enumerate(Stage.choices)
    ]


def lines(changes: Sequence[StageChange], user: Any) -> list[Line]:
    """Changes with their causes; one question for each kind of cause."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for one in changes:
        if one.cause_id is not None:
            wanted[one.cause].add(one.cause_id)
    found = {
        kind: _describers[kind](sorted(ids), user) for kind, ids in wanted.items() if kind in _describers
    }
    return [Line(one, found.get(one.cause, {}).get(one.cause_id or 0)) for one in changes]


def describe_orders(ids: Iterable[int], user: Any) -> dict[int, Cause]:
    """Orders by their number."""
    rows = Order.objects.filter(pk__in=ids).only("number", "external_id")
    return {row.pk: Cause(_("order %(number)s") % {"number": row}) for row in rows}


def describe_customers(ids: Iterable[int], user: Any) -> dict[int, Cause]:
    """Customers who were referred."""
    rows = Customer.objects.filter(pk__in=ids).only("name")
    return {row.pk: Cause(str(row), row.get_absolute_url()) for row in rows}


def register() -> None:
    """Called once, when the app is ready."""
    register_cause("order", describe_orders)
    register_cause("customer", describe_customers)
