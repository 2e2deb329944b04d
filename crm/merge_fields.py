"""What a merge writes on the kept record, and how that goes back in whatever order merges are undone.

`MergeRecord.fields` holds an entry a field: {"before": slot, "after": slot, "taken": bool}, a slot being
{"value", "origin"}. The entries of one kept record are a chain: each `before` is what the entry before it, or
somebody's hand in between, left there. Taking an entry out joins the chain again, so the last value is right
whatever the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Max

from core import privacy
from core.paging import EPOCH
from crm import facts
from crm.models import Customer, MergeRecord, Stage

LINKS = ("owner", "referred_by")
PICKABLE = (*facts.FIELDS, *LINKS)
REFUSED, CREATED, SEEN = "profiling_refused", "created_at", "last_seen_at"
Slot = dict[str, Any]
Entries = dict[str, dict[str, Any]]


class CannotPick(ValueError):
    """A field, or a customer to take it from, that cannot be chosen in a merge."""


# Looking


def value_of(customer: Customer, name: str) -> Any:
    """What stands in a field; of links the id."""
    if name == "owner":
        return customer.owner_id
    if name == "referred_by":
        return customer.home_referred_by_id
    return facts.value_of(customer, name)


def slot_of(customer: Customer, name: str) -> Slot:
    """A field's value with who said so, as JSON holds it."""
    return {"value": value_of(customer, name), "origin": customer.origins.get(name)}


def names_of(customers: Iterable[Customer]) -> list[str]:
    """Every field that can be picked among these customers."""
    own = sorted({key for customer in customers for key in customer.custom})
    return [*PICKABLE, *(facts.CUSTOM + key for key in own)]


def propose(keep: Customer, drops: Sequence[Customer]) -> dict[str, int]:
    """Whose value counts for each field, by customer id: a person's word first, then the newest.

    Fields in which the kept record's own value counts are left out.
    """
    chosen = {}
    for name in names_of([keep, *drops]):
        best = max([keep, *drops], key=lambda one: (*_weight(one, name), one is keep, -one.pk))
        if best is not keep and value_of(best, name) != value_of(keep, name) and _fits(keep, best, name):
            chosen[name] = best.pk
    return chosen


def fill_blanks(keep: Customer, drops: Sequence[Customer]) -> dict[str, int]:
    """Only what the kept record says nothing about."""
    chosen = propose(keep, drops)
    return {name: pk for name, pk in chosen.items() if value_of(keep, name) in facts.EMPTY}


def _weight(customer: Customer, name: str) -> tuple[bool, bool, int, datetime]:
    """How much a value counts: said at all, by a person, further on in the journey, and when."""
    value, known = value_of(customer, name), customer.origins.get(name)
    at = datetime.fromisoformat(known["at"]) if known else EPOCH
    by_person = bool(known) and known["source"] in facts.PEOPLE
    step = Stage.values.index(value) if name == "stage" and not by_person else 0
    return value not in facts.EMPTY, by_person, step, at


def _fits(keep: Customer, source: Customer, name: str) -> bool:
    """Nobody is referred by themselves."""
    return name != "referred_by" or source.home_referred_by_id != keep.pk


# Taking over


def take_over(keep: Customer, drops: Sequence[Customer], chosen: Mapping[str, int]) -> dict[int, Entries]:
    """Write what the kept record gains, in memory; what was written, by the customer it came from.

    `chosen` says by field from which customer the value is taken. Raises CannotPick.
    """
    by_pk = {one.pk: one for one in drops}
    taken: dict[int, Entries] = {pk: {} for pk in by_pk}
    known = set(names_of([keep, *drops]))
    for name, pk in chosen.items():
        if name not in known:
            raise CannotPick(f"{name} is no field that can be chosen in a merge.")
        if pk == keep.pk:
            continue
        if pk not in by_pk:
            raise CannotPick(f"{name} cannot be taken from customer {pk}, who is not in this merge.")
        if not _fits(keep, by_pk[pk], name):
            raise CannotPick("A customer cannot be referred by themselves.")
        before, after = slot_of(keep, name), slot_of(by_pk[pk], name)
        if before != after:
            write(keep, name, after)
            taken[pk][name] = {"before": before, "after": after, "taken": True}
    for drop in drops:
        taken[drop.pk] |= _always(keep, drop)
    return taken


def _always(keep: Customer, drop: Customer) -> Entries:
    """What holds whatever is chosen: a refusal of either side, the first day, the last sign of life."""
    refused = {"value": keep.profiling_refused, "origin": keep.origins.get(REFUSED)}
    entries: Entries = {
        REFUSED: {"before": refused, "after": refused, "taken": drop.profiling_refused},
        CREATED: {"before": keep.created_at.isoformat()},
        SEEN: {"before": keep.last_seen_at.isoformat() if keep.last_seen_at else None},
    }
    if drop.profiling_refused:
        mine = refused if keep.profiling_refused else slot_of(drop, REFUSED)
        write(keep, REFUSED, mine)
        entries[REFUSED]["after"] = mine
    keep.created_at = min(keep.created_at, drop.created_at)
    if drop.last_seen_at and (keep.last_seen_at is None or keep.last_seen_at < drop.last_seen_at):
        keep.last_seen_at = drop.last_seen_at
    return entries


def write(customer: Customer, name: str, slot: Slot) -> None:
    """Put a value and its origin on the record, in memory."""
    value = slot["value"]
    if name == "owner":
        customer.owner_id = value
    elif name == "referred_by":
        customer.home_referred_by_id = value
    elif name.startswith(facts.CUSTOM):
        _write_own(customer, name.removeprefix(facts.CUSTOM), value)
    else:
        setattr(customer, name, value)
    if slot["origin"] is None:
        customer.origins.pop(name, None)
    else:
        customer.origins[name] = slot["origin"]


def _write_own(customer: Customer, key: str, value: Any) -> None:
    if value in facts.EMPTY:
        customer.custom.pop(key, None)
    else:
        customer.custom[key] = value


# Giving back


def give_back(record: MergeRecord) -> None:
    """Take the entries of a merge that was just undone out of their chains.

    Values go back unless somebody changed them since. The trees are locked, and the record is no longer open.
    """
    for name, entry in record.fields.items():
        if name in (CREATED, SEEN):
            continue
        if entry["taken"]:
            _replace(record.keep_id, name, record.pk, entry["after"], entry["before"])


def _replace(customer_id: int, name: str, since: int, old: Slot, new: Slot) -> None:
    """Where `old` went on from the merge `since`, `new` goes on."""
    if old == new:
        return
    for later in _open_of(customer_id).filter(pk__gt=since, fields__has_key=name):
        entry = later.fields[name]
        if entry["before"] != old:
            return
        entry["before"] = new
        if not entry["taken"]:
            entry["after"] = new
        later.save(update_fields=["fields"])
        if entry["taken"]:
            return
    customer = Customer.objects.get(pk=customer_id)
    if slot_of(customer, name) != old:
        return
    write(customer, name, new)
    customer.save(update_fields=_columns(name))
    _replace_above(customer_id, name, old, new)


def _replace_above(customer_id: int, name: str, old: Slot, new: Slot) -> None:
    """A record that was merged further lent its value: what was lent follows."""
    above = MergeRecord.objects.filter(drop_id=customer_id, undone_at=None).first()
    entry = above.fields.get(name) if above else None
    if above is None or entry is None or not entry["taken"]:
        return
    lent, own = entry["after"], entry["before"]
    if name == REFUSED:
        entry["taken"], entry["after"] = False, own
        above.save(update_fields=["fields"])
        _replace(above.keep_id, name, above.pk, lent, own)
    elif lent == old:
        entry["after"] = new
        above.save(update_fields=["fields"])
        _replace(above.keep_id, name, above.pk, old, new)


def _open_of(customer_id: int) -> Any:
    """Merges into this record that stand, the oldest first."""
    return MergeRecord.objects.filter(keep_id=customer_id, undone_at=None).order_by("pk")


def _columns(name: str) -> list[str]:
    if name.startswith(facts.CUSTOM):
        return ["custom", "origins"]
    if name == "referred_by":
        return ["home_referred_by", "origins"]
    return [name, "origins"]


def rejoin_moments(record: MergeRecord) -> None:
    """First day and last sign of life of every record above, without the one that left; rows are moved."""
    first = _open_of(record.keep_id).first()
    if first is not None and first.pk > record.pk:
        for name in (CREATED, SEEN):
            first.fields.pop(name, None)
            if name in record.fields:
                first.fields[name] = record.fields[name]
        first.save(update_fields=["fields"])
    at: int | None = record.keep_id
    while at is not None:
        at = _rejoin(at, record if at == record.keep_id else None)


def _rejoin(customer_id: int, left: MergeRecord | None) -> int | None:
    """The moments of one record from its own and those it absorbed; the record above it."""
    customer, merges = (
        Customer.objects.get(pk=customer_id),
        list(_open_of(customer_id).select_related("drop")),
    )
    oldest = merges[0] if merges else left
    own = oldest.fields if oldest else {}
    days = [datetime.fromisoformat(own[CREATED]["before"])] if CREATED in own else []
    signs = [_moment(own.get(SEEN, {}).get("before")), *(one.drop.last_seen_at for one in merges)]
    if customer.merged_into_id is None:
        signs.append(newest_of(customer_id))
    customer.created_at = min([*days, *(one.drop.created_at for one in merges)], default=customer.created_at)
    customer.last_seen_at = max((at for at in signs if at is not None), default=None)
    customer.save(update_fields=["created_at", "last_seen_at"])
    return customer.merged_into_id


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def forget_sign(node_id: int, sign: datetime | None) -> None:
    """A handle leaves the record it stands at: the last sign that was kept on the way up may be its."""
    at: int | None = node_id
    while at is not None and sign is not None:
        first = _open_of(at).first()
        if at == node_id and first is not None and first.fields.get(SEEN, {}).get("before"):
            first.fields[SEEN] = {"before": None}
            first.save(update_fields=["fields"])
        node = Customer.objects.get(pk=at)
        if node.is_merged and node.last_seen_at and node.last_seen_at <= sign:
            Customer.objects.filter(pk=at).update(last_seen_at=None)
        at = node.merged_into_id


def refused_since(record: MergeRecord) -> bool:
    """Whether somebody refused profiling, for the merged record, after this merge."""
    step: MergeRecord | None = record
    while step is not None:
        known = step.fields.get(REFUSED, {}).get("after", {}).get("value", False)
        for later in _open_of(step.keep_id).filter(pk__gt=step.pk, fields__has_key=REFUSED):
            entry = later.fields[REFUSED]
            if entry["before"]["value"] and not known:
                return True
            known = entry["after"]["value"]
        if not known and Customer.objects.get(pk=step.keep_id).profiling_refused:
            return True
        step = MergeRecord.objects.filter(drop_id=step.keep_id, undone_at=None).first()
    return False


# When they were last seen


def refresh_seen(customer_id: int, gone: datetime | None = None) -> None:
    """When a customer was last seen, as their rows say.

    `gone` is the newest sign of a handle that left: without it the record's own word counts too.
    """
    customer = Customer.objects.get(pk=customer_id)
    own = customer.last_seen_at
    if gone is not None and own is not None and own <= gone:
        own = None
    newest = max((at for at in (own, newest_of(customer_id)) if at is not None), default=None)
    if newest != customer.last_seen_at:
        Customer.objects.filter(pk=customer_id).update(last_seen_at=newest)


def newest_of(customer_id: int, identity_id: int | None = None) -> datetime | None:
    """The newest sign of a customer, or of one of their identities, among the rows that count as signs."""
    signs = []
    for holding in privacy.holdings():
        if holding.seen_field:
            rows = holding.model._default_manager.filter(**{f"{holding.customer_field}_id": customer_id})
            if identity_id is not None:
                rows = rows.filter(identity_id=identity_id)
            signs.append(rows.order_by().aggregate(at=Max(holding.seen_field))["at"])
    return max((at for at in signs if at is not None), default=None)
