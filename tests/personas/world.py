"""A small made-up world of awkward data, and ways to change it as services do: with a touch each."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from accounts.models import Team
from core.models import Workspace
from crm import facts
from crm.models import (
    Consent,
    Customer,
    CustomerTag,
    CustomerTouch,
    Identity,
    MergeRecord,
    Order,
    OrderLine,
    Tag,
)
from engagement.models import ChannelAccount, ContactLedger, Conversation, Interaction, Post

NETWORKS = ["email", "instagram", "phone", "x"]
KINDS = ["message", "message", "comment", "mention", "review", "call", "visit", "survey", "note"]
REASONS = ["", "question", "complaint", "praise", "order", "other"]
ZONE = "America/Santiago"
"""Its clocks change at midnight, so that some local days begin at one o'clock."""
ZONES = ["", "", "", "America/New_York", "Asia/Kathmandu", "Mars/Olympus Mons", "../etc/passwd", "EST5EDT "]
"""Zones as records have them: none, good ones, and what is no zone at all."""
TEXTS = [
    "é😀",
    "words" * 3,
    "",
    "I'm a nurse. Thanks!",
    "As a teacher I love knitting.",
    "My wife is a nurse",
]
TOPICS = ["delivery", "quality", "#summer", "waiting"]
PRODUCTS = [
    ("a1", "Kettle", "kitchen"),
    ("", "Cup", "kitchen"),
    ("c3", "Filter", ""),
    ("d4", "Mill", "tools"),
]


class World:
    """Customers with what they said and bought, drawn from one seed."""

    def __init__(self, seed: int, *, today: date, customers: int = 30) -> None:
        self.random, self.today, self.zone = Random(seed), today, ZoneInfo(ZONE)
        Workspace.current()
        Workspace.objects.update(zone=ZONE, currency="USD")
        self.team, _made = Team.objects.get_or_create(is_general=True, defaults={"name": "General"})
        self.accounts = [self._account(place, network) for place, network in enumerate(NETWORKS)]
        self.number = 0
        for _each in range(customers):
            self.add_customer()

    def _account(self, place: int, network: str) -> ChannelAccount:
        return ChannelAccount.objects.create(
            connector="api", network=network, external_id=f"account {place}", name=network, team=self.team
        )

    def customers(self) -> list[Customer]:
        return list(Customer.objects.filter(merged_into=None).order_by("pk"))

    def instant(self) -> datetime:
        """Somewhere in 500 days, often at an edge of a window or of a day."""
        back = self.random.choice([0, 1, 29, 30, 89, 90, 364, 365, self.random.randrange(500), -3])
        hour = self.random.choice([0, 0, 1, 8, 9, 16, 17, 18, 23])
        at = time(hour, self.random.choice([0, 30, 59]))
        return datetime.combine(self.today - timedelta(days=back), at, tzinfo=self.zone).astimezone(UTC)

    def add_customer(self) -> Customer:
        self.number += 1
        customer = Customer.objects.create(
            name=f"Person {self.number}",
            birth_year=self.random.choice([None, 1980, 2001, 1991, 2008, 1905, 2050]),
            language=self.random.choice(["", "en", "fr"]),
            country=self.random.choice(["", "CL", "FR", "DE", "ES"]),
            zone=self.random.choice(ZONES),
            city=self.random.choice(["", "", "Talca"]),
            profession=self.random.choice(["", "", "nursing"]),
            interests=self.random.choice([[], ["tea"], ["tea", "x" * 60]]),
            stage=self.random.choice(["awareness", "purchase", "retention"]),
        )
        for network in self.random.sample(NETWORKS, self.random.choice([1, 2, 3])):
            self._identity(customer, network)
        for _each in range(self.random.choice([0, 0, 1, 2, 5])):
            self.say(customer)
        for _each in range(self.random.choice([0, 0, 1, 3])):
            self.buy(customer)
        for _each in range(self.random.choice([0, 1, 3])):
            self.consent(customer)
        for _each in range(self.random.choice([0, 0, 2])):
            self.contact(customer)
        if self.random.random() < 0.2:
            self.refer(customer)
        if self.random.random() < 0.3:
            self.tag(customer)
        self.touch(customer)
        return customer

    def _identity(self, customer: Customer, network: str) -> Identity:
        self.number += 1
        return Identity.objects.create(
            network=network, external_id=f"id {self.number}", home_customer=customer, customer=customer
        )

    def tag(self, customer: Customer) -> None:
        tag, _made = Tag.objects.get_or_create(name=self.random.choice(["gold", "late", "kind"]))
        CustomerTag.objects.get_or_create(tag=tag, home_customer=customer, defaults={"customer": customer})

    def touch(self, *customers: Customer) -> None:
        CustomerTouch.objects.bulk_create([CustomerTouch(customer=customer) for customer in customers])

    def say(self, customer: Customer) -> None:
        """A line of theirs, perhaps in a conversation with an answer of ours."""
        self.number += 1
        at, account = self.instant(), self.random.choice(self.accounts)
        identity = customer.identities.first()
        who = {"identity": identity, "home_customer": identity.home_customer, "customer": customer}
        conversation = Conversation.objects.create(
            account=account, team=self.team, first_at=at, last_at=at, **who
        )
        shared = {"account": account, "team": self.team, "conversation": conversation}
        Interaction.objects.create(
            **shared,
            **who,
            external_id=f"in {self.number}",
            kind=self.random.choice(KINDS),
            direction="inbound",
            is_public=self.random.random() < 0.5,
            occurred_at=at,
            text=self.random.choice(TEXTS),
            topics=self.random.sample(TOPICS, self.random.randrange(3)),
            rating=self.random.choice([None, 0, 3, 7, 10]),
            post=self.random.choice([None, self.post(account)]),
            object_key=self.random.choice(["", "", f"post {customer.pk}"]),
            sentiment=self.random.choice([None, -0.7, -0.05, 0.0, 0.05, 0.3333, 1.0]),
            reason=self.random.choice(REASONS),
            deleted_at=self.random.choice([None, None, None, at]),
            reader=1,
        )
        for place in range(self.random.choice([0, 1, 2])):
            Interaction.objects.create(
                **shared,
                external_id=f"out {self.number} {place}",
                kind=self.random.choice([*KINDS[:4], "survey"]),
                direction="outbound",
                is_automatic=self.random.random() < 0.3,
                occurred_at=at + timedelta(minutes=5 + place),
                text="answer",
            )
        if self.random.random() < 0.5:
            who = self.random.choice([customer, *self.customers()])
            self.join(conversation, who, after=self.random.choice([1, 600, 24 * 60 + 5, 24 * 60 + 6, 3000]))

    def post(self, account: ChannelAccount) -> Post:
        media = self.random.choice(["", "image", "video"])
        key = {"account": account, "external_id": f"post {media} {self.random.randrange(2)}"}
        return Post.objects.get_or_create(**key, defaults={"media": media})[0]

    def join(self, conversation: Conversation, customer: Customer, *, after: int) -> None:
        """Somebody says something, minutes after a conversation began; they alone are touched."""
        self.number += 1
        identity = customer.identities.first()
        Interaction.objects.create(
            account=conversation.account,
            team=self.team,
            conversation=conversation,
            identity=identity,
            home_customer=identity.home_customer,
            customer=customer,
            external_id=f"joined {self.number}",
            kind=self.random.choice(KINDS),
            direction="inbound",
            is_public=self.random.random() < 0.7,
            is_automatic=self.random.random() < 0.2,
            occurred_at=conversation.first_at + timedelta(minutes=after),
            reason=self.random.choice(REASONS),
        )
        self.touch(customer)

    def contact(self, customer: Customer) -> None:
        """A row of the contact ledger."""
        identity = customer.identities.first()
        ContactLedger.objects.create(
            home_customer=identity.home_customer,
            customer=customer,
            identity=identity,
            origin=self.random.choice(["reply", "started", "service"]),
            at=self.instant(),
        )

    def refer(self, customer: Customer) -> None:
        """Somebody brought this customer; whoever was named before is touched, as by the service."""
        others = [one for one in self.customers() if one.pk != customer.pk]
        if not others:
            return
        before, who = Customer.objects.get(pk=customer.pk).referred_by_id, self.random.choice(others)
        Customer.objects.filter(pk=customer.pk).update(referred_by=who, home_referred_by=who)
        if before:
            self.touch(Customer(pk=before))

    def buy(self, customer: Customer) -> None:
        self.number += 1
        total = Decimal(self.random.choice(["0.00", "12.50", "99.99", "20.00"]))
        foreign = self.random.random() < 0.3
        base = self.random.choice([None, total * 2]) if foreign else total
        identity = customer.identities.first()
        order = Order.objects.create(
            source="shop",
            external_id=f"order {self.number}",
            status=self.random.choice(["paid", "paid", "paid", "refunded", "cancelled", "pending"]),
            placed_at=self.random.choice([self.instant(), self.midnight()]),
            units=self.random.choice([0, 1, 3]),
            total=total,
            discount=Decimal(self.random.choice(["0", "5.00", "1.25"])),
            refunded=Decimal(self.random.choice(["0", "0", "3.00"])),
            currency="EUR" if foreign else "USD",
            base_total=base,
            identity=identity,
            home_customer=identity.home_customer,
            customer=customer,
        )
        for place in range(self.random.choice([0, 1, 3])):
            sku, title, category = self.random.choice(PRODUCTS)
            OrderLine.objects.create(
                order=order, position=place, sku=sku, title=title, category=category, price=Decimal("4.00")
            )

    def midnight(self) -> datetime:
        """A date without a time, as imports give it: midnight of UTC or of the workspace."""
        at = datetime.combine(self.today - timedelta(days=self.random.randrange(400)), time(0))
        return at.replace(tzinfo=self.random.choice([UTC, self.zone])).astimezone(UTC)

    def consent(self, customer: Customer) -> None:
        identity = self.random.choice(list(customer.identities.all()))
        given = self.random.random() < 0.6
        Consent.objects.create(
            identity=identity,
            purpose=self.random.choice(["marketing", "service"]),
            given=given,
            whole_person=not given and self.random.random() < 0.5,
            source="form",
            at=self.instant(),
            home_customer=identity.home_customer,
            customer=customer,
        )

    def change(self) -> str:
        """One random change of the kind services make; its name."""
        customer = self.random.choice(self.customers())
        changes: dict[str, Any] = {
            "said": lambda: self.say(customer),
            "bought": lambda: self.buy(customer),
            "tagged": lambda: self.tag(customer),
            "consented": lambda: self.consent(customer),
            "edited": lambda: Customer.objects.filter(pk=customer.pk).update(country="DE", birth_year=1975),
            "deleted": lambda: customer.interactions.update(deleted_at=datetime.now(UTC)),
            "cancelled": lambda: customer.orders.update(status="cancelled"),
            "read": lambda: customer.interactions.update(sentiment=0.25, reason="praise"),
            "refused": lambda: Customer.objects.filter(pk=customer.pk).update(profiling_refused=True),
            "came": self.add_customer,
            "merged": lambda: self._merge(customer),
            "unmerged": self._undo,
            "moved": lambda: Customer.objects.filter(pk=customer.pk).update(
                zone=self.random.choice(ZONES), city="Lund"
            ),
            "contacted": lambda: self.contact(customer),
            "referred": lambda: self.refer(customer),
            "joined": lambda: self._join(customer),
            "refunded": lambda: customer.orders.filter(status="paid").update(
                status="refunded", refunded=Decimal("2.00")
            ),
            "spoken again": lambda: customer.interactions.update(
                deleted_at=None, text=self.random.choice(TEXTS)
            ),
            "untagged": lambda: CustomerTag.objects.filter(customer=customer).delete(),
            "worked by hand": lambda: self._set_profession(customer),
            "staged": lambda: Customer.objects.filter(pk=customer.pk).update(stage="advocacy"),
            "rated": lambda: customer.interactions.filter(kind="survey").update(rating=4),
        }
        name = self.random.choice(sorted(changes))
        changes[name]()
        self.touch(customer)
        return name

    def _set_profession(self, customer: Customer) -> None:
        one = Customer.objects.get(pk=customer.pk)
        facts.take(one, {"profession": "music"}, source=facts.STAFF)
        one.save(update_fields=["profession", "origins"])

    def _join(self, customer: Customer) -> None:
        if found := list(Conversation.objects.order_by("pk")):
            self.join(self.random.choice(found), customer, after=self.random.choice([3, 900, 5000]))

    def _undo(self) -> None:
        from crm.merging import undo_merge

        record = MergeRecord.objects.filter(undone_at=None).order_by("pk").last()
        if record is not None:
            undo_merge(record=record)

    def _merge(self, customer: Customer) -> None:
        from crm.merging import merge_customers

        others = [one for one in self.customers() if one.pk != customer.pk]
        if len(others) < 5:
            return
        merge_customers(keep=self.random.choice(others), drop=customer)
