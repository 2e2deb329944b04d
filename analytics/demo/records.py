"""What the demo shop's staff wrote down: fields of its own, organizations, notes, tasks, and people met twice."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from accounts.models import User
from crm import facts
from crm.affiliations import affiliate
from crm.custom_fields import define_field
from crm.models import Customer, CustomerKind, FieldType, Identity
from crm.notes import write_note
from crm.people import PersonIn, store_people
from crm.services import Handle, create_customer, update_customer
from crm.todo import add_task

LIST = "newsletter list"
"""Where second records of one person came from."""
WINDOWS = ("North", "East", "South", "West")
ORGANIZATIONS = (
    ("Riverside Library", "library@riverside.example", ("Librarian", "Volunteer")),
    ("Hotel Belvédère", "desk@belvedere.example", ("Housekeeping", "Reception", "Purchasing")),
    ("Studio Halden Architects", "studio@halden.example", ("Architect", "Office")),
    ("Old Mill School", "office@oldmill.example", ("Teacher", "Parent", "Caretaker")),
)
NOTES = (
    "Has two cats: never recommend lilies.",
    "Prefers to be called after six.",
    "Runs the balcony competition in her street; knows everybody.",
    "Sends pictures when something flowers, and is happy about an answer.",
)
ENOUGH = 200
"""Among fewer customers nothing is written."""
TASKS = ("Ask how the repotting went", "Send the care card again", "Call about the workshop in spring")


def write_records(*, by: User, staff: Sequence[User], seed: int) -> None:
    """Fill in what no channel brings, among the customers heard from last; `by` defines the fields."""
    chance = random.Random(seed)
    people = list(
        Customer.objects.roots().filter(last_seen_at__isnull=False).order_by("-last_seen_at", "-pk")[:600]
    )
    if len(people) < ENOUGH:
        return
    _own_fields(people[:250], chance, by)
    _organizations(people[40:], chance, by)
    for place, text in enumerate(NOTES):
        write_note(customer=people[place * 3], text=text, by=staff[place % len(staff)])
    today = timezone.localdate()
    for place, title in enumerate(TASKS):
        due = today + timedelta(days=place * 3 - 2)
        add_task(
            customer=people[place * 5 + 1], title=title, due_on=due, assignee=staff[place % len(staff)], by=by
        )
    _met_twice(people[100:], chance)


def _own_fields(people: Sequence[Customer], chance: random.Random, by: User) -> None:
    define_field(key="plants", label="Plants at home", type=FieldType.NUMBER, by=by)
    define_field(key="window", label="Best window", type=FieldType.CHOICE, choices=WINDOWS, by=by)
    define_field(key="gift_wrap", label="Wraps as gift", type=FieldType.FLAG, by=by)
    for one in people:
        told = {"custom.plants": chance.randint(1, 40), "custom.window": chance.choice(WINDOWS)}
        if chance.random() < 0.2:
            told["custom.gift_wrap"] = True
        facts.take(one, told, source="shop")
    Customer.objects.bulk_update(people, ["custom", "origins"], batch_size=500)
    for one in people[:30]:
        update_customer(
            customer=one,
            values={"interests": chance.sample(("ferns", "orchids", "balcony", "herbs"), 2)},
            by=by,
        )


def _organizations(people: Sequence[Customer], chance: random.Random, by: User) -> None:
    left = iter(people)
    for name, address, roles in ORGANIZATIONS:
        made = create_customer(
            values={"kind": CustomerKind.ORGANIZATION, "name": name},
            identities=[Handle("email", address)],
            source="demo",
            by=by,
        )
        for _place in range(chance.randint(5, 9)):
            affiliate(person=next(left), organization=made, role=chance.choice(roles), by=by)


def _met_twice(people: Sequence[Customer], chance: random.Random) -> None:
    """Some are in the shop's old newsletter list under another address, spelled a little differently."""
    addresses = dict(
        Identity.objects.filter(network="email", customer__in=people).values_list(
            "customer_id", "external_id"
        )
    )
    known = [one for one in people if one.pk in addresses and one.city and " " in one.name][:14]
    store_people(
        [
            PersonIn(
                name=_misspelled(one.name, chance),
                handles=[("email", "", *_again(addresses[one.pk]))],
                language=one.language,
                country=one.country,
                city=one.city,
                birth_year=one.birth_year,
            )
            for one in known
        ],
        source=LIST,
    )


def _again(address: str) -> tuple[str, str]:
    """The same name at another provider, twice: the id and how it is read."""
    other = address.replace("@example.org", "@example.net")
    return other, other


def _misspelled(name: str, chance: random.Random) -> str:
    first, last = name.split(" ", 1)
    place = chance.randrange(1, len(last))
    return chance.choice(
        (f"{last} {first}", f"{first} {last[:place]}{last[place - 1]}{last[place:]}", f"{first[0]}. {last}")
    )
