"""What a column of a file of customers may hold, and how it is recognized."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.utils.translation import gettext as _

from core import networks
from core.mapping import Looks, Target
from crm import custom_fields
from crm.facts import CUSTOM
from crm.identities import EMAIL, PHONE
from crm.imports import cells
from crm.imports.person import CONSENT, IDENTITY
from crm.purposes import PURPOSES

_ADDRESS = re.compile(r"[^@]*<?[^@\s<]+@[^@\s>]+\.[^@\s>]+>?")
_NUMBER = re.compile(r"\+?[(\d][\d\s()./-]{5,22}")
_DOMAIN = re.compile(r"(https?://)?[\w-]+(\.[\w-]+)+/?.*")
_WORDS = """
id: id|user id|contact id|customer id|customer no|customer nr|customer number|external id|record id|uuid
id: kundennummer|kunden nr|kundennr|kd nr|kdnr|numéro client
email: e mail|email|email address|mail|e mail address|work email|primary email|courriel
phone: phone|phone number|telephone|mobile|mobile phone|mobile phone number|mobile number|cell|work phone
phone: tel|telefon|handy|téléphone
name: name|full name|display name|customer|customer name|contact|contact name|kunde|nom|naam
first_name: first name|firstname|given name|forename|vorname|prénom|voornaam
last_name: last name|lastname|surname|family name|nachname|nom de famille|achternaam
birth_year: birth year|year of birth|birthday|birth date|birthdate|date of birth|born|dob
birth_year: geburtstag|geburtsdatum
job: job|job title|title|position|beruf|titel
profession: profession|field of work|occupation
organization: organization|organisation|company|company name|associated company|account|account name|employer
organization: firma|société|bedrijf
organization.domain: company domain|company domain name|organization domain
organization.id: organization id|company id|account id
role: role|function|rolle
domain: domain|domains|domain names|website|company domain name
language: language|locale|lang|preferred language|sprache|langue|taal
country: country|country region|country code|land|pays
city: city|town|place|ort|stadt|ville|plaats|location city
zone: time zone|timezone|tz|zeitzone
interests: interests|interest|hobbies|interessen
tags: tags|tag|labels|label|groups|lists|segments
note: note|notes|comment|comments|description|notiz|notizen|remarks|bemerkung|bemerkungen|kommentar
consent.marketing: newsletter|newsletter ok|marketing|opt in|opted in|marketing consent|email opt in
consent.marketing: subscribed|accepts marketing
"""


def _word_table() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for line in _WORDS.strip().splitlines():
        key, _colon, words = line.partition(": ")
        table[key] = (*table.get(key, ()), *words.split("|"))
    return table


WORDS = _word_table()


def people_targets() -> list[Target]:
    """For files of persons."""
    who, about, work = _("Who it is"), _("About them"), _("Work")
    return [
        *_identity_targets(who),
        _target("name", _("Name"), who),
        _target("first_name", _("First name"), who),
        _target("last_name", _("Last name"), who),
        *_about_targets(about),
        _target("birth_year", _("Year or date of birth"), about, _reads(cells.year_of)),
        _target("job", _("Job title"), work),
        _target("profession", _("Profession"), work),
        _target("organization", _("Organization, made and linked"), work),
        _target("organization.domain", _("Organization's web domain"), work, _is_domain),
        _target("organization.id", _("Organization's id in the source"), work),
        _target("role", _("Role at the organization"), work),
        _target("company", _("Company, as text only"), work),
        *_consent_targets(),
        *_custom_targets(),
    ]


def organization_targets() -> list[Target]:
    """For files of organizations."""
    who, about = _("Who it is"), _("About them")
    return [
        *_identity_targets(who),
        _target("domain", _("Web domain"), who, _is_domain, many=True),
        Target("name", _("Name"), who, (*WORDS["name"], *WORDS["organization"])),
        *_about_targets(about),
        *_consent_targets(),
        *_custom_targets(),
    ]


def _target(key: str, label: str, group: str, looks: Looks | None = None, *, many: bool = False) -> Target:
    return Target(key, label, group, WORDS.get(key, ()), looks, many)


def _reads(reader: Callable[[str], object]) -> Looks:
    def looks(text: str) -> bool:
        try:
            return bool(reader(text))
        except ValueError:
            return False

    return looks


def _is_domain(text: str) -> bool:
    return bool(_DOMAIN.fullmatch(text))


def _is_address(text: str) -> bool:
    return bool(_ADDRESS.fullmatch(text))


def _is_number(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text)) and sum(letter.isdigit() for letter in text) >= 7


def _identity_targets(group: str) -> list[Target]:
    """The caller's own id, and a handle on every network."""
    return [
        _target("id", _("Their id in the source"), group),
        _target(EMAIL, networks.get(EMAIL).label, group, _is_address, many=True),
        _target(PHONE, networks.get(PHONE).label, group, _is_number, many=True),
        *(
            Target(IDENTITY + one.name, one.label, group, _handle_words(one.name, one.label), many=True)
            for one in networks.known()
            if one.name not in (EMAIL, PHONE)
        ),
    ]


def _handle_words(name: str, label: str) -> tuple[str, ...]:
    bases = dict.fromkeys((name.casefold(), label.casefold()))
    ends = ("", " handle", " username", " user name", " id", " account", " profile")
    return tuple(f"{base}{end}" for base in bases for end in ends if len(base) > 1 or end)


def _about_targets(group: str) -> list[Target]:
    return [
        _target("language", _("Language"), group, _reads(cells.language_of)),
        _target("country", _("Country"), group, _reads(cells.country_of)),
        _target("city", _("City"), group),
        _target("zone", _("Time zone"), group, _reads(cells.zone_of)),
        _target("interests", _("Interests"), group, many=True),
        _target("tags", _("Tags"), group, many=True),
        _target("note", _("Note: read this first"), group),
    ]


def _consent_targets() -> list[Target]:
    group = _("What they allowed")
    return [
        Target(
            CONSENT + one.name,
            str(one.label),
            group,
            WORDS.get(CONSENT + one.name, (f"{one.name} consent", f"consent {one.name}")),
            cells.is_flag,
        )
        for one in PURPOSES.values()
    ]


def _custom_targets() -> list[Target]:
    group = _("Fields of your own")
    return [
        Target(CUSTOM + one.key, one.label, group, (one.key.replace("_", " "), one.label.casefold()))
        for one in custom_fields.fields()
    ]
