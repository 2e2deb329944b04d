"""What is known about a customer, line by line, each with who said so and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language_info, gettext_lazy
from django.utils.translation import gettext as _

from accounts.models import User
from core import formatting, networks
from crm import custom_fields, facts
from crm.countries import country_name
from crm.models import Customer, CustomField, FieldType


@dataclass(frozen=True)
class Fact:
    """One line of the profile; `url` where the value leads somewhere, `said` who told it and when."""

    name: str
    label: str
    value: str
    said: str = ""
    url: str = ""
    words: tuple[str, ...] = ()

    @property
    def is_outside(self) -> bool:
        """Whether it leads to somebody else's page."""
        return self.url.startswith("http")


def panel(request: HttpRequest, customer: Customer) -> list[Fact]:
    """Every line that is known, the workspace's own fields last."""
    said = sayings(customer)
    own = [_own(field, customer, said) for field in custom_fields.fields()]
    return [fact for fact in (*_known(customer, said), *own) if fact and (fact.value or fact.words)]


def _known(customer: Customer, said: Mapping[str, str]) -> Iterable[Fact]:
    referrer = customer.referred_by
    lines: list[tuple[str, str, str, str]] = [
        ("job", _("Works as"), customer.job, ""),
        ("profession", _("Profession"), customer.profession, ""),
        ("company", _("At"), customer.company, ""),
        ("birth_year", _("Born"), str(customer.birth_year or ""), ""),
        ("language", _("Language"), language_name(customer.language), ""),
        ("city", _("City"), customer.city, ""),
        ("country", _("Country"), country_name(customer.country), ""),
        ("zone", _("Time zone"), _zone(customer.zone), ""),
        (
            "referred_by",
            _("Referred by"),
            str(referrer or ""),
            referrer.get_absolute_url() if referrer else "",
        ),
        ("owner", _("Looked after by"), customer.owner.display_name if customer.owner else "", ""),
    ]
    for name, label, value, url in lines:
        yield Fact(name, label, value, said.get(name, ""), url)
    yield Fact(
        "interests", _("Interests"), "", said.get("interests", ""), words=tuple(customer.interests or ())
    )


def _own(field: CustomField, customer: Customer, said: Mapping[str, str]) -> Fact | None:
    value = customer.custom.get(field.key)
    if value in facts.EMPTY:
        return None
    name = f"{facts.CUSTOM}{field.key}"
    url = str(value) if field.type == FieldType.URL else ""
    return Fact(name, field.label, shown(field, value), said.get(name, ""), url)


def shown(field: CustomField, value: Any) -> str:
    """A value of the workspace's own field as people read it."""
    if value in facts.EMPTY:
        return ""
    if field.type == FieldType.FLAG:
        return _("Yes") if value else _("No")
    if field.type == FieldType.DATE:
        return date_format(datetime.fromisoformat(str(value)).date(), "j M Y")
    if field.type == FieldType.NUMBER and isinstance(value, int | float):
        text = f"{value:.15g}"
        return formatting.number(value, len(text.split(".")[1]) if "." in text else 0)
    if field.type == FieldType.URL:
        return str(value).split("://", 1)[-1].rstrip("/")
    return str(value)


MORE_LANGUAGES = {"zh": gettext_lazy("Chinese"), "tl": gettext_lazy("Tagalog")}
"""Those that texts are read in and Django does not name without a script or a region."""


def language_name(code: str) -> str:
    """Swedish for sv; the code itself where its name is not known."""
    try:
        return str(get_language_info(code)["name_translated"]) if code else ""
    except KeyError:
        return str(MORE_LANGUAGES.get(code.partition("-")[0], code))


def _zone(zone: str) -> str:
    return zone.replace("_", " ")


# Who said so


def sayings(customer: Customer) -> dict[str, str]:
    """{field: "by Amy, 3 Nov"} of every field whose origin is known; one statement for the names."""
    origins = {name: one for name, one in customer.origins.items() if isinstance(one, dict)}
    ids = {one["by"] for one in origins.values() if one.get("by")}
    names = {user.pk: user.display_name for user in User.objects.filter(pk__in=ids)} if ids else {}
    return {name: saying(one, names) for name, one in origins.items()}


def saying(one: Mapping[str, Any], names: Mapping[int, str]) -> str:
    """An origin in words: by Amy, 3 Nov."""
    who = _who(str(one.get("source", "")), names.get(one.get("by") or 0, ""))
    when = _day(str(one.get("at", "")))
    return f"{who}, {when}" if when else who


def _who(source: str, name: str) -> str:
    if source == facts.STAFF:
        return _("by %(name)s") % {"name": name or _("staff")}
    if source == facts.CUSTOMER:
        return _("by themselves")
    if source == facts.WORDS:
        return _("from what they wrote")
    kind, _colon, rest = source.partition(":")
    if kind == "api":
        return _("from the API key %(name)s") % {"name": rest}
    if kind == "import":
        return _("from the import %(name)s") % {"name": rest} if rest else _("from an import")
    return _("from %(source)s") % {"source": networks.get(source).label}


def _day(at: str) -> str:
    try:
        moment = timezone.localtime(datetime.fromisoformat(at))
    except ValueError:
        return ""
    return date_format(moment, "j M" if moment.year == timezone.localtime().year else "j M Y")
