"""What one row of a file says about a customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from core.import_keys import hashed
from core.models import ImportRun, Workspace
from crm import custom_fields
from crm.facts import CUSTOM
from crm.identities import EMAIL, MAX_LENGTH, PHONE, BadIdentity, IdentityKey, normalize
from crm.imports import cells
from crm.imports.cells import BadCell
from crm.matching import ID
from crm.models import CustomerKind, CustomField, FieldType

ORGANIZATIONS = "/organizations"
"""After the source's name: the issuer of ids of organizations, which have numbers of their own."""
IDENTITY, CONSENT = "identity.", "consent."
TEXTS = {"city": 120, "job": 120, "profession": 120, "company": 160}
MAX_TAG = 60


@dataclass(frozen=True)
class HandleIn:
    """An identity of the row, as it is stored and as people read it."""

    key: IdentityKey
    handle: str


@dataclass
class PersonIn:
    """One row: a person, or an organization, and everything the file says about them."""

    number: int
    values: dict[str, Any] = field(default_factory=dict)
    handles: list[HandleIn] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    consents: dict[str, bool] = field(default_factory=dict)
    organization: HandleIn | None = None
    role: str = ""

    @property
    def keys(self) -> list[IdentityKey]:
        return [handle.key for handle in self.handles]

    @property
    def name(self) -> str:
        """What the customer is called."""
        return str(self.values.get("name") or (self.handles[0].handle if self.handles else ""))

    def digest(self) -> int:
        """A number that is the same for rows that say the same."""
        parts = [self.values, sorted(str(key) for key in self.keys), sorted(self.tags), self.consents]
        return hashed(parts, str(self.organization), self.role)


class BadPerson(ValueError):
    """A row that is no customer, with the reason."""


class PersonReader:
    """Reads the rows of one page: knows the workspace's country, its own fields and the source."""

    def __init__(self, run: ImportRun, kind: str) -> None:
        self.source = run.source
        self.kind = kind
        self.country = Workspace.current().country
        self.custom = {one.key: one for one in custom_fields.fields()}

    def read(self, number: int, given: Mapping[str, Sequence[Any]]) -> PersonIn:
        """The row's person. Raises BadPerson naming what is wrong in it."""
        person = PersonIn(number)
        for target, values in given.items():
            try:
                for value in values:
                    self._take(person, target, value)
            except (BadCell, BadIdentity, ValidationError, ValueError) as error:
                told = "; ".join(error.messages) if isinstance(error, ValidationError) else str(error)
                raise BadPerson(f"{target}: {told}") from error
        self._name(person, given)
        if not person.handles:
            raise BadPerson(
                "nothing to know this customer by: an id, an address, a number or a handle is needed"
            )
        return person

    def _take(self, person: PersonIn, target: str, value: Any) -> None:
        if target.startswith(CONSENT):
            if cells.text_of(value):
                person.consents[target.removeprefix(CONSENT)] = cells.flag_of(value)
        elif target == "tags":
            person.tags += [tag for tag in cells.words_of(value, MAX_TAG) if tag not in person.tags]
        elif target.startswith("organization"):
            self._organization(person, target, value)
        elif target == "role":
            person.role = cells.text_of(value, 120)
        elif not self._take_handle(person, target, value):
            self._fact(person, target, value)

    def _take_handle(self, person: PersonIn, target: str, value: Any) -> bool:
        """Whether the column holds identities; they are added to the person."""
        if target == EMAIL:
            for address in cells.addresses_of(value):
                self._add(person, EMAIL, "", address)
        elif target == PHONE:
            for number in cells.phones_of(value, self.country):
                self._add(person, PHONE, "", number)
        elif target == "id":
            self._add(person, ID, self._issuer, cells.text_of(value, MAX_LENGTH + 1))
        elif target == "domain":
            if domain := cells.domain_of(value):
                self._add(person, ID, self._issuer, f"domain:{domain}", domain)
        elif target.startswith(IDENTITY):
            handle = cells.handle_of(value)
            self._add(person, target.removeprefix(IDENTITY), "", handle, f"@{handle}")
        else:
            return False
        return True

    @property
    def _issuer(self) -> str:
        return self.source + (ORGANIZATIONS if self.kind == CustomerKind.ORGANIZATION else "")

    def _add(self, person: PersonIn, network: str, issuer: str, value: str, handle: str = "") -> None:
        if not value:
            return
        key = IdentityKey(network, issuer, normalize(network, value, country=self.country))
        if key not in person.keys:
            person.handles.append(HandleIn(key, (handle or key.external_id)[:MAX_LENGTH]))

    def _organization(self, person: PersonIn, target: str, value: Any) -> None:
        """By its id in the source, else its domain, else its exact name in files of the same source."""
        rank = ("organization", "organization.domain", "organization.id").index(target)
        text = cells.domain_of(value) if rank == 1 else cells.text_of(value, 160)
        if not text:
            return
        external_id = (f"name:{text.casefold()}", f"domain:{text}", text)[rank]
        key = IdentityKey(ID, self.source + ORGANIZATIONS, external_id)
        if rank == 0:
            person.values.setdefault("company", text)
        known = person.organization
        name = text if rank == 0 else known.handle if known else text
        keeps = known is not None and rank < _rank(known.key)
        person.organization = HandleIn(known.key if known and keeps else key, name)

    def _fact(self, person: PersonIn, name: str, value: Any) -> None:
        found = self._value(name, value)
        if found not in ("", None, []):
            person.values[name] = found

    def _value(self, name: str, value: Any) -> Any:
        if name.startswith(CUSTOM):
            return self._custom(name.removeprefix(CUSTOM), value)
        if name in TEXTS:
            return cells.text_of(value, TEXTS[name])
        if name == "interests":
            return cells.words_of(value)
        if name == "note":
            return cells.paragraphs_of(value)
        readers = {
            "language": cells.language_of, "country": cells.country_of, "zone": cells.zone_of,
            "birth_year": cells.year_of,
        }  # fmt: skip
        return readers[name](value) if name in readers else cells.text_of(value, 200)

    def _custom(self, key: str, value: Any) -> Any:
        if key not in self.custom:
            raise BadCell("this workspace has no such field")
        return custom_fields.clean_value(self.custom[key], _plain(self.custom[key], value))

    def _name(self, person: PersonIn, given: Mapping[str, Sequence[Any]]) -> None:
        """One name, from its parts where the file has only these."""
        parts = [str(person.values.pop(part, "")) for part in ("first_name", "last_name")]
        joined = " ".join(part for part in parts if part)
        if joined and not person.values.get("name"):
            person.values["name"] = joined[:200]


def _rank(key: IdentityKey) -> int:
    start = key.external_id.partition(":")[0]
    return {"name": 0, "domain": 1}.get(start, 2)


def _plain(custom: CustomField, value: Any) -> Any:
    """A cell in the one spelling that fields of the workspace's own take."""
    text = cells.paragraphs_of(value) if custom.type == FieldType.TEXT else cells.text_of(value)
    if not text:
        return None
    if custom.type == FieldType.DATE:
        return cells.day_of(text).isoformat()
    if custom.type == FieldType.FLAG:
        return cells.flag_of(text)
    if custom.type == FieldType.NUMBER and text.count(",") == 1 and "." not in text:
        return text.replace(",", ".")
    return text
