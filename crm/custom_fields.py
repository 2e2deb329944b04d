"""Fields that the workspace added to customers: what their values may be, and who defines them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.text import clean_text
from crm.models import Customer, CustomField, FieldType

MAX_TEXT = 500
MAX_NUMBER = Decimal(10) ** 15
MAX_FIELDS = 100
"""So many fields a workspace may have; each is a line of every form."""
YES, NO = frozenset({"yes", "true", "1", "on", "y"}), frozenset({"no", "false", "0", "off", "n"})
_KEY = re.compile(r"(?=.{1,40}\Z)[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
"""One _ at a time, between others: two of them name a lookup of the ORM, by which lists are filtered."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Scalar = str | int | float | bool


def fields(*, archived: bool = False) -> list[CustomField]:
    """The fields in use, in the workspace's order; one statement."""
    found = CustomField.objects.all()
    return list(found if archived else found.filter(is_archived=False))


def clean_value(field: CustomField, raw: Any) -> Scalar | None:
    """A value as it is stored in `Customer.custom`; None for an empty one.

    A date is stored as its ISO text. Raises ValueError with a message that says what to type.
    """
    if isinstance(raw, str):
        raw = clean_text(raw).strip()
    if raw is None or raw == "":
        return None
    return CLEANERS[field.type](field, raw)


def clean_values(
    wanted: Mapping[str, Any], known: Iterable[CustomField] | None = None
) -> tuple[dict[str, Scalar | None], dict[str, str]]:
    """Values by key, checked, and what is wrong with those that cannot be: {key: message}."""
    by_key = {field.key: field for field in (fields() if known is None else known)}
    good: dict[str, Scalar | None] = {}
    bad: dict[str, str] = {}
    for key, raw in wanted.items():
        field = by_key.get(key)
        if field is None:
            bad[key] = _("No field of this workspace has this key.")
            continue
        try:
            good[key] = clean_value(field, raw)
        except ValueError as error:
            bad[key] = str(error)
    return good, bad


def _text(field: CustomField, raw: Any) -> str:
    if not isinstance(raw, str):
        raise ValueError(_("Type text."))
    if len(raw) > MAX_TEXT:
        raise ValueError(_("Type at most %(n)d characters.") % {"n": MAX_TEXT})
    return raw


def _number(field: CustomField, raw: Any) -> int | float:
    problem = _("Type a number, such as 3 or 12.5.")
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal):
        raise ValueError(problem)
    try:
        number = Decimal(str(raw).replace("\u00a0", "").replace(" ", ""))
    except InvalidOperation:
        raise ValueError(problem) from None
    if not number.is_finite() or abs(number) > MAX_NUMBER:
        raise ValueError(_("Type a number between -10^15 and 10^15."))
    return int(number) if number == int(number) else float(number)


def _date(field: CustomField, raw: Any) -> str:
    problem = _("Type a date as YYYY-MM-DD, such as 2026-03-31.")
    if isinstance(raw, date):
        return raw.isoformat()[:10]
    if not isinstance(raw, str) or not _DAY.fullmatch(raw):
        raise ValueError(problem)
    try:
        return date.fromisoformat(raw).isoformat()
    except ValueError:
        raise ValueError(problem) from None


def _choice(field: CustomField, raw: Any) -> str:
    wanted = str(raw).casefold()
    for choice in field.choices:
        if choice.casefold() == wanted:
            return choice
    raise ValueError(_("Choose one of: %(choices)s.") % {"choices": ", ".join(field.choices)})


def _flag(field: CustomField, raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).casefold()
    if word in YES or word in NO:
        return word in YES
    raise ValueError(_("Type yes or no."))


def _url(field: CustomField, raw: Any) -> str:
    problem = _("Type a web address that begins with http:// or https://.")
    if not isinstance(raw, str) or len(raw) > MAX_TEXT or re.search(r"\s", raw):
        raise ValueError(problem)
    try:
        parts = urlsplit(raw)
        host = parts.hostname
    except ValueError:
        raise ValueError(problem) from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(problem)
    return raw


CLEANERS: Mapping[str, Callable[[CustomField, Any], Scalar]] = MappingProxyType(
    {
        FieldType.TEXT: _text,
        FieldType.NUMBER: _number,
        FieldType.DATE: _date,
        FieldType.CHOICE: _choice,
        FieldType.FLAG: _flag,
        FieldType.URL: _url,
    }
)


# Defining


@transaction.atomic
def define_field(
    *, key: str, label: str, type: str, choices: Sequence[str] = (), help: str = "", by: User
) -> CustomField:
    """Add a field behind the others. Raises ValidationError for one that cannot be."""
    check(by, "field.manage")
    if not _KEY.fullmatch(key):
        message = _(
            "A key begins with a letter and holds small letters, digits and single _ between, 40 at most."
        )
        raise ValidationError({"key": ValidationError(message, code="invalid")})
    last = CustomField.objects.select_for_update().order_by("position").last()
    if CustomField.objects.count() >= MAX_FIELDS:
        raise ValidationError(_("A workspace has at most %(n)d fields.") % {"n": MAX_FIELDS})
    field = CustomField(
        key=key, label=label.strip(), type=type, choices=list(choices), help=help.strip(),
        position=last.position + 1 if last else 1,
    )  # fmt: skip
    _check(field)
    field.save()
    record_audit(by=by, verb="field.created", target=field, detail={"key": key, "type": type})
    return field


@transaction.atomic
def change_field(*, field: CustomField, values: Mapping[str, Any], by: User) -> CustomField:
    """Change label, help, choices, position, whether it is archived; the type only while it holds nothing.

    Raises ValidationError for a choice taken away that customers still have, and for a type that is fixed.
    """
    check(by, "field.manage")
    field = CustomField.objects.select_for_update().get(pk=field.pk)
    changed = sorted(name for name, value in values.items() if getattr(field, name) != value)
    if "type" in changed and has_values(field):
        raise ValidationError(
            {"type": ValidationError(_("Customers have values of this type."), code="fixed")}
        )
    if "choices" in changed:
        _keep_used(field, values["choices"])
    for name in changed:
        setattr(field, name, values[name])
    _check(field)
    if changed:
        field.save(update_fields=changed)
        record_audit(by=by, verb="field.changed", target=field, detail={"fields": changed})
    return field


@transaction.atomic
def move_field(*, field: CustomField, up: bool, by: User) -> None:
    """Change places with the neighbor above or below."""
    check(by, "field.manage")
    ordered = list(CustomField.objects.select_for_update())
    at = next(place for place, one in enumerate(ordered) if one.pk == field.pk)
    other = at - 1 if up else at + 1
    if 0 <= other < len(ordered):
        ordered[at], ordered[other] = ordered[other], ordered[at]
    for place, one in enumerate(ordered, start=1):
        one.position = place
    CustomField.objects.bulk_update(ordered, ["position"])


def has_values(field: CustomField) -> bool:
    """Whether any customer has a value; asked when a field is edited, so a scan is cheap enough."""
    return Customer.objects.filter(custom__has_key=field.key).exists()


def _keep_used(field: CustomField, choices: Sequence[str]) -> None:
    gone = sorted(set(field.choices) - set(choices))
    if not gone:
        return
    found = Customer.objects.filter(**{f"custom__{field.key}__in": gone})
    used = sorted(set(found.values_list(f"custom__{field.key}", flat=True)[:1000]))
    if used:
        message = _("Customers have: %(choices)s. Keep these, or change those customers first.")
        raise ValidationError(
            {"choices": ValidationError(message % {"choices": ", ".join(used)}, code="used")}
        )


def _check(field: CustomField) -> None:
    """Choices belong to a choice, and a choice has some."""
    if field.type != FieldType.CHOICE and field.choices:
        raise ValidationError({"choices": ValidationError(_("Only a choice has choices."), code="invalid")})
    if field.type == FieldType.CHOICE and not field.choices:
        raise ValidationError({"choices": ValidationError(_("Give at least one choice."), code="required")})
    if len({choice.casefold() for choice in field.choices}) < len(field.choices):
        raise ValidationError({"choices": ValidationError(_("Each choice once."), code="invalid")})
    field.full_clean(exclude=["id"])
