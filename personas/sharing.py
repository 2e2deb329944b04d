"""Links by which people without an account read one card: signed, expiring, revocable.

Whoever holds the link reads it, so what it shows is chosen name by name (`shared_card`): no customers, no
quotes, no replies, no staff, no notes without a source, no segments or organizations, and no value that fewer
than five customers share.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from personas.cards.making import heat
from personas.models import Persona, PersonaNote, PersonaShare

LEAST_MEMBERS = 10
"""Of a smaller group a figure may tell about one of its members."""
LEAST_TOLD = 5
"""Values that fewer customers share are left out of a shared card."""
DAYS = (7, 30, 90)
MOST_OPEN = 50
_SALT = "personas.share"
Row = dict[str, Any]


class ShareGone(Exception):
    """No card is to be read by this link: it is not ours, too old or revoked. Which, is not told."""


@transaction.atomic
def share_persona(*, persona: Persona, label: str = "", days: int, by: User) -> PersonaShare:
    """Make a link to this card. Raises ValidationError for a group too small to be shown."""
    check(by, "persona.share")
    if days not in DAYS:
        raise ValidationError({"days": _("A link lives for 7, 30 or 90 days.")})
    held = Persona.objects.select_for_update().get(pk=persona.pk)
    if not may_be_shared(held):
        raise ValidationError(
            _("Only cards of personas of today with at least %(n)s customers can be shared.")
            % {"n": LEAST_MEMBERS},
            code="too_few",
        )
    if open_shares(held).count() >= MOST_OPEN:
        raise ValidationError(_("This card has 50 open links. Revoke one first."), code="too_many")
    now = timezone.now()
    share = PersonaShare.objects.create(
        persona=held,
        key=secrets.token_urlsafe(32),
        label=label.strip(),
        by=by,
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    record_audit(by=by, verb="persona.shared", target=held, detail={"share": share.pk, "days": days})
    return share


@transaction.atomic
def revoke_share(*, share: PersonaShare, by: User) -> PersonaShare:
    """End a link at once; ending it twice changes nothing."""
    check(by, "persona.share")
    held = PersonaShare.objects.select_for_update(of=("self",)).select_related("persona").get(pk=share.pk)
    if held.revoked_at is None:
        held.revoked_at = timezone.now()
        held.save(update_fields=["revoked_at"])
        record_audit(by=by, verb="persona.share_revoked", target=held.persona, detail={"share": held.pk})
    return held


def may_be_shared(persona: Persona) -> bool:
    """Whether its group is large enough, and of today.

    So must be the group that the card is about: to personas made by hand members come before a new card.
    """
    told_of = persona.card.get("base", {}).get("customers", persona.members)
    return persona.is_active and min(persona.members, told_of) >= LEAST_MEMBERS


def open_shares(persona: Persona) -> Any:
    """Links that open this card now."""
    return persona.shares.filter(revoked_at=None, expires_at__gt=timezone.now())


# Links


def share_url(share: PersonaShare) -> str:
    """The whole address of a link, to be given away."""
    return f"{settings.PUBLIC_URL}{reverse('personas:shared', args=[share_token(share)])}"


def share_token(share: PersonaShare) -> str:
    """What stands in the address: the row's random key, signed."""
    return signing.Signer(salt=_SALT, sep=".").sign(share.key)


def share_of(token: str) -> PersonaShare:
    """The open link of a token. Raises ShareGone, the same whatever is wrong with it."""
    try:
        key = signing.Signer(salt=_SALT, sep=".").unsign(token)
    except signing.BadSignature as error:
        raise ShareGone from error
    found: PersonaShare | None = PersonaShare.objects.select_related("persona").filter(key=key).first()
    if found is None or found.revoked_at is not None or found.expires_at <= timezone.now():
        raise ShareGone
    if not may_be_shared(found.persona):
        raise ShareGone
    return found


def note_opened(share: PersonaShare) -> None:
    """Count that the card was opened."""
    PersonaShare.objects.filter(pk=share.pk).update(seen=F("seen") + 1, last_seen_at=timezone.now())


# What a stranger may read


def shared_card(card: Mapping[str, Any]) -> Row:
    """The parts of a card that leave the house; anything not named here stays."""
    if not card:
        return {}
    return {
        "base": _shared_base(card["base"]),
        "who": _shared_who(card.get("who", {})),
        "reasons": _parts(card.get("reasons", ())),
        "topics": _common(card.get("topics", ()), "customers"),
        "hurts": _common(card.get("hurts", ()), "customers"),
        "networks": _shared_networks(card.get("networks", {})),
        "content": {what: _parts(found) for what, found in card.get("content", {}).items()},
        "answers": _common(card.get("answers", ()), "customers"),
        "hours": _shared_hours(card.get("hours", {})),
        "value": _shared_value(card.get("value", {})),
        "apart": [row for row in card.get("apart", ()) if row["base"] >= LEAST_TOLD],
    }


def _shared_base(base: Mapping[str, Any]) -> Row:
    """Without the part of the revenue where it is that of fewer than five customers."""
    is_told = base.get("revenue_buyers", 0) >= LEAST_TOLD
    return {**base, "revenue_share": base["revenue_share"] if is_told else None}


def _shared_value(value: Mapping[str, Row]) -> Row:
    told = {name: dict(one) for name, one in value.items() if one["base"] >= LEAST_TOLD}
    for one in told.values():
        if one.get("intervals", LEAST_TOLD) < LEAST_TOLD:
            one |= {"low": None, "high": None}
    return told


def _shared_who(who: Mapping[str, Any]) -> Row:
    told = {name: _common(found, "n") if isinstance(found, list) else found for name, found in who.items()}
    if who.get("ages_known", 0) < LEAST_TOLD:
        told |= {"age_from": None, "age_to": None}
    if who.get("months_known", 0) < LEAST_TOLD:
        told |= {"months_with_us": None}
    return told


def _shared_networks(networks: Mapping[str, Any]) -> Row:
    told = _parts(networks.get("shares", ()))
    return {**networks, "shares": told, "base": sum(row["n"] for row in told)}


def _shared_hours(hours: Mapping[str, Any]) -> Row:
    """The week without the hours of which fewer than five customers would be told."""
    if "customers" not in hours:
        return {}
    pairs = [list(zip(*day, strict=True)) for day in zip(hours["counts"], hours["customers"], strict=True)]
    told = [[(n, people) if people >= LEAST_TOLD else (0, 0) for n, people in day] for day in pairs]
    counts, customers = ([[cell[place] for cell in day] for day in told] for place in range(2))
    return heat(counts, customers, hours["days"])


def _parts(found: Sequence[Row]) -> list[Row]:
    """Parts of a whole. Where one is left out, the others make the whole: what lacks would tell it."""
    told = _common(found, "customers")
    if len(told) == len(found):
        return told
    base = sum(row["n"] for row in told)
    return [
        {**row, "share": round(row["n"] / base, 4), **({"base": base} if "base" in row else {})}
        for row in told
    ]


def _common(found: Sequence[Row], count: str) -> list[Row]:
    return [row for row in found if row.get(count, 0) >= LEAST_TOLD]


def shared_notes(persona: Persona) -> list[PersonaNote]:
    """Notes with a source; what is only assumed stays in the house."""
    return [note for note in persona.notes.order_by("part", "at", "pk") if not note.is_assumed]
