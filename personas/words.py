"""Work and interests from what people write: "I'm a nurse", "I love climbing", or an answer to a survey.

A rebuild reads the texts of whoever was touched, in the transaction that consumes the touches, so that none
is missed; everybody's are read by a step of its own, once, and when the reader changed. What is found is a
function of the texts that are there: the newest word on work counts, interests are all that were named, and
what was deleted is gone with the next rebuild. It is written by the rules of `crm.facts`, with the source
"words": a person's word always wins, and a list of interests from elsewhere stays as it is. Who refused
profiling is not read, and what was read of them goes at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q

from core.models import JobState
from core.sql import stream
from crm import facts
from crm.models import Customer, CustomerTouch
from engagement.reading.saying import PIECES, SAYING_VERSION, read_self
from personas.models import Rebuild

if TYPE_CHECKING:
    from personas.nightly import Run

BATCH = 5_000
MOST_INTERESTS = 8
FIELDS = ("profession", "interests")
STEP, ORDER = "words", 5


@dataclass
class Heard:
    """What one customer said of themselves, each with when."""

    profession: tuple[str, datetime] | None = None
    interests: dict[str, datetime] = field(default_factory=dict)


def hear_everybody(run: Run) -> Mapping[str, Any]:
    """The step of a rebuild, before the traits: everybody in batches, each one transaction, or nobody."""
    if "words_after" in run.facts or not _was_read():
        while customers := _next(int(run.facts.get("words_after", 0))):
            with transaction.atomic():
                changed = hear(customers)
                CustomerTouch.objects.bulk_create([CustomerTouch(customer_id=pk) for pk in changed])
                run.save(
                    words_after=customers[-1],
                    words_read=run.facts.get("words_read", 0) + len(customers),
                    words_written=run.facts.get("words_written", 0) + len(changed),
                )
    counts = {"customers": run.facts.get("words_read", 0), "written": run.facts.get("words_written", 0)}
    return {**counts, "version": SAYING_VERSION}


def _was_read() -> bool:
    """Whether a rebuild that was finished read everybody by this version, or followed upon one that did."""
    done = [{"name": STEP, "version": SAYING_VERSION}]
    return Rebuild.objects.filter(job__state=JobState.DONE, job__steps__contains=done).exists()


def _next(after: int) -> Sequence[int]:
    alive = Customer.objects.filter(pk__gt=after, merged_into=None).order_by("pk")
    return list(alive.values_list("pk", flat=True)[:BATCH])


def hear(customers: Sequence[int]) -> Sequence[int]:
    """Read these customers' texts and write what differs, in the current transaction; who was changed."""
    if not customers:
        return []
    heard = _heard(customers)
    ours = Q(origins__profession__source=facts.WORDS) | Q(origins__interests__source=facts.WORDS)
    found = Customer.objects.filter(ours | Q(pk__in=list(heard)), pk__in=customers, merged_into=None)
    return _store({one.pk: heard.get(one.pk, Heard()) for one in found.filter(profiling_refused=False)})


def forget_words(customers: Sequence[int]) -> int:
    """Take away what was read of these customers, in the current transaction; how many were changed."""
    return len(_store({pk: Heard() for pk in customers}))


@transaction.atomic
def _store(heard: Mapping[int, Heard]) -> Sequence[int]:
    """Write what differs; only the records that do are locked, in order of id."""
    seen = Customer.objects.filter(pk__in=list(heard))
    differ = [one.pk for one in seen if _apply(one, heard[one.pk])]
    held = Customer.objects.filter(pk__in=differ).order_by("pk").select_for_update(no_key=True)
    changed = [one for one in held if _apply(one, heard[one.pk])]
    Customer.objects.bulk_update(changed, [*FIELDS, "origins"], batch_size=500)
    return [one.pk for one in changed]


def _heard(customers: Sequence[int]) -> dict[int, Heard]:
    """What was found, by customer; the texts come oldest first."""
    found: dict[int, Heard] = {}
    asked = {"customers": list(customers), "pieces": [f"%{piece}%" for piece in PIECES]}
    for row in stream("personas", "words_said", asked):
        said = read_self(row["text"], question=row["question"])
        if not said.professions and not said.interests:
            continue
        one = found.setdefault(row["customer_id"], Heard())
        if said.professions and (one.profession is None or one.profession[0] != said.professions[-1]):
            one.profession = (said.professions[-1], row["occurred_at"])
        for name in said.interests:
            one.interests.setdefault(name, row["occurred_at"])
    return found


def _apply(customer: Customer, heard: Heard) -> bool:
    """Set what was heard on the record, in memory; whether anything differs."""
    work, since = heard.profession or ("", None)
    likes = list(heard.interests)[:MOST_INTERESTS]
    newest = max((heard.interests[name] for name in likes), default=None)
    # both are tried: `or` alone would leave the second field as it was
    return any([_set(customer, "profession", work, since), _set(customer, "interests", likes, newest)])


def _set(customer: Customer, name: str, value: Any, at: datetime | None) -> bool:
    known = customer.origins.get(name)
    is_ours = bool(known) and known["source"] == facts.WORDS
    if at is None:
        if is_ours:
            facts.put_back(customer, name, value, None)
        return is_ours
    told = facts.origin(facts.WORDS, at=at)
    if is_ours:
        if (facts.value_of(customer, name), known) == (value, told):
            return False
    elif not _may_write(customer, name, value, at):
        return False
    facts.put_back(customer, name, value, told)
    return True


def _may_write(customer: Customer, name: str, value: Any, at: datetime) -> bool:
    """Whether words come before what another source told; a list of interests is never replaced."""
    current = facts.value_of(customer, name)
    if current == value or (name == "interests" and current not in facts.EMPTY):
        return False
    return facts.may_change(customer, name, value, source=facts.WORDS, at=at)


def register() -> None:
    """Called once, when the app is ready."""
    from personas.nightly import register_step

    register_step(STEP, hear_everybody, ORDER)
