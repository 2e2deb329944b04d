"""How many customers a rule finds, while it is being typed: an answer at once, then the exact one.

Where counting everybody would keep a person waiting, the first answer comes from a sample: the customers
whose id hashes to 0 modulo 100, which a partial index lists (`crm_customer_sample`). A hash of the id is as
good as chance for anything a rule can ask, takes the same customers at each keystroke, so that numbers do not
jump while a rule is refined, and costs some ten thousand look-ups at a million customers.

The interval holds with a probability of 95 %: Wilson's score interval for a share, with the size of the
sample corrected for a finite population (Cochran, Sampling Techniques, 3rd ed., sections 2.6 and 3.3).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.db import OperationalError, connection, transaction

from core.conditions import (
    Context,
    FieldSet,
    Node,
    Occurrence,
    Sql,
    compile,
    counting,
    fieldset,
    from_clause,
    leaves,
)
from core.models import Workspace
from personas.building import customer_rule

SECONDS = 8
"""How long a count may take."""
MOST_AT_ONCE = 4
"""Counts of one person under way: each holds a web thread, and a rule may take all its seconds."""
SMALL = 20_000
"""Up to this many customers everything is counted exactly at once: one in a hundred would be too few."""
LARGE = 200_000
"""Beyond this many customers even a rule without events is answered by the sample first."""
SAMPLE = (
    "(SELECT * FROM crm_customer WHERE merged_into_id IS NULL AND mod(hashint8extended(id, 7), 100) = 0) c"
)
Z = 1.959964
NAME = "rapport count"


class RuleTooSlow(Exception):
    """A count that took longer than a person waits."""

    def __init__(self) -> None:
        super().__init__(f"Counting took over {SECONDS} seconds. Save the segment to count it in a job.")


class TooManyAtOnce(RuleTooSlow):
    """Somebody has as many counts under way as one person may."""

    def __init__(self) -> None:
        Exception.__init__(self, f"{MOST_AT_ONCE} counts of yours are under way. Wait until one is done.")


class Superseded(Exception):
    """A count that was ended because the rule has changed since."""


@dataclass(frozen=True)
class Count:
    """How many customers; `margin` is half the width of the interval, 0 where they were counted."""

    customers: int
    margin: int = 0

    @property
    def shown(self) -> int:
        """The number as a person should read it: no finer than its margin allows."""
        step = _step(self.margin)
        return round(self.customers / step) * step

    @property
    def shown_margin(self) -> int:
        """The margin with one digit, never made smaller."""
        step = _step(self.margin)
        return math.ceil(self.margin / step) * step


@dataclass(frozen=True)
class Estimate:
    """What a rule finds. `base` customers of `total` were looked at; `leaves` counts each condition alone, in
    reading order, and is empty where only the whole was counted."""

    count: Count
    total: int
    base: int
    leaves: Sequence[Count]
    seconds: float

    @property
    def is_exact(self) -> bool:
        return self.base == self.total


def first_count(rule: Mapping[str, Any], *, token: str = "") -> Estimate:
    """An answer within half a second, also for a million customers. Raises RuleInvalid, Superseded."""
    began = time.monotonic()
    node, total = customer_rule(rule), customers_in_all()
    with cancellable(token):
        if total > SMALL and (total > LARGE or has_events(node)):
            found = _from_sample(node, total)
            if found is not None:
                return replace(found, seconds=_since(began))
        return replace(_every_leaf(node), seconds=_since(began))


def exact_count(rule: Mapping[str, Any], *, token: str = "") -> Estimate:
    """Everybody, counted. Each condition alone too where that costs little: else `leaves` is empty.

    Raises RuleInvalid, RuleTooSlow, Superseded.
    """
    began = time.monotonic()
    node, total = customer_rule(rule), customers_in_all()
    with cancellable(token):
        if total <= SMALL or (total <= LARGE and not has_events(node)):
            return replace(_every_leaf(node), seconds=_since(began))
        customers = fieldset("customer")
        text, params = compile(node, customers, replace(current_context(), everybody=True))
        # The scalar subquery counts all in the same snapshot as those of the rule.
        what = f"SELECT count(*), (SELECT count(*) FROM {customers.base})"  # noqa: S608 (registered SQL)
        found, everybody = _row(Sql(f"{what} FROM {from_clause(customers, node)} WHERE {text}", params))
    return Estimate(Count(found), everybody, everybody, (), _since(began))


def has_events(node: Node) -> bool:
    """Whether the rule asks for something that happened, which is counted customer by customer."""
    return any(isinstance(leaf, Occurrence) for leaf in leaves(node))


def current_context() -> Context:
    """Today and the zone of the workspace, for compiling a rule."""
    workspace = Workspace.current()
    return Context(today=workspace.today(), zone=workspace.tz)


def customers_in_all() -> int:
    """Customers that are nobody else: counted where they are few, else what the statistics say."""
    told = _row(Sql("SELECT reltuples::bigint FROM pg_class WHERE relname = 'crm_customer_by_name'", []))[0]
    if told > LARGE:
        return int(told)
    return int(_row(Sql("SELECT count(*) FROM crm_customer WHERE merged_into_id IS NULL", []))[0])


def _every_leaf(node: Node) -> Estimate:
    total, found, *alone = _row(counting(node, fieldset("customer"), current_context()))
    return Estimate(Count(found), total, total, [Count(number) for number in alone], 0)


def _from_sample(node: Node, total: int) -> Estimate | None:
    """None where the sample holds nobody."""
    base, found, *alone = _row(counting(node, sampled(fieldset("customer")), current_context()))
    if not base:
        return None
    told = [projected(number, base, total) for number in alone]
    return Estimate(projected(found, base, total), max(total, base), base, told, 0)


def sampled(customers: FieldSet) -> FieldSet:
    """The same fields over one customer in a hundred."""
    return replace(customers, base=SAMPLE)


def projected(found: int, base: int, total: int) -> Count:
    """From `found` of `base` drawn without replacement to all `total`, with a margin for 95 %."""
    if base >= total:
        return Count(found)
    share = found / base
    size = base * (total - 1) / (total - base)
    middle = (share + Z * Z / (2 * size)) / (1 + Z * Z / size)
    half = Z / (1 + Z * Z / size) * math.sqrt(share * (1 - share) / size + Z * Z / (4 * size * size))
    width = max(share - (middle - half), middle + half - share)
    return Count(round(share * total), max(1, math.ceil(width * total)))


def _step(margin: int) -> int:
    return 10 ** (len(str(margin)) - 1)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def _row(query: Sql) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(*query)
        return tuple(cursor.fetchone() or ())


# Ending a count that nobody waits for


@contextmanager
def cancellable(token: str = "", seconds: float = SECONDS) -> Iterator[None]:
    """What runs within ends after some seconds in all, or when `cancel` is called with the same token.

    The first word of a token names whose count it is; TooManyAtOnce where they have too many under way.
    The transaction carries the token as its application_name. On leaving it takes the name off and passes a
    lock that `cancel` holds from looking up to signalling, so a signal never meets a later query of somebody
    else on the same connection.
    """
    began = time.monotonic()
    try:
        with transaction.atomic():
            if token and under_way(token.split(maxsplit=1)[0]) >= MOST_AT_ONCE:
                raise TooManyAtOnce
            before = _row(Sql("SELECT current_setting('application_name')", []))[0]
            _set(_name(token) if token else before, str(int(seconds * 1000)))
            try:
                with transaction.atomic(), connection.execute_wrapper(_until(began + seconds)):
                    yield
            finally:
                _set(before, "0")
                if token:
                    _row(Sql("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", [_name(token)]))
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", "") != "57014":
            raise
        raise (RuleTooSlow if time.monotonic() - began >= seconds * 0.95 else Superseded) from error


def _until(end: float) -> Callable[..., Any]:
    """Gives each statement what is left of the time: the timeout of the database counts for one alone."""

    def run(execute: Any, sql: Any, params: Any, many: bool, context: Mapping[str, Any]) -> Any:
        left = max(1, int((end - time.monotonic()) * 1000))
        asked = context["connection"]
        with asked.wrap_database_errors, asked.connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(left)])
        return execute(sql, params, many, context)

    return run


def cancel(token: str) -> int:
    """End every count that runs under this token; how many there were."""
    with transaction.atomic():
        _row(Sql("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_name(token)]))
        # Materialized: the planner is free to signal before it compares names, and would signal everybody.
        ended = Sql(
            "WITH found AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE application_name = %s"
            " AND datname = current_database() AND pid <> pg_backend_pid())"
            " SELECT count(*) FROM found WHERE pg_cancel_backend(pid)",
            [_name(token)],
        )
        return int(_row(ended)[0])


def under_way(whose: str) -> int:
    """How many counts of a person run at this moment, on any connection."""
    running = Sql(
        "SELECT count(*) FROM pg_stat_activity WHERE starts_with(application_name, %s)"
        " AND datname = current_database() AND pid <> pg_backend_pid()",
        [f"{NAME} {whose} "],
    )
    return int(_row(running)[0])


def _name(token: str) -> str:
    return f"{NAME} {token}"[:63]


def _set(name: str, milliseconds: str) -> None:
    settings = "SELECT set_config('application_name', %s, true), set_config('statement_timeout', %s, true)"
    _row(Sql(settings, [name, milliseconds]))
