"""Plants unique tokens of one person wherever an installation can keep them, and looks for what is left.

Knows the tables by hand and nothing of how an erasure works.
"""

from __future__ import annotations

import base64
import codecs
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NAME, FAMILY = "Zqeva Nameplant", "Nameplant"
HANDLE = "zqhandle.plant7"
MAIL = "zq.mailplant@zqhost7.example"
PHONE, PHONE_READ = "+4915199887766", "0151 998-877 66"
OTHER_WORDS = "the weather in Lisbon stays mild until Thursday"
"""What other people say around the tokens, and must keep."""


@dataclass
class Planted:
    """The person, everything planted, and what must be there still when they are gone."""

    customer: Any = None
    tokens: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    pages: list[tuple[Any, list[Any]]] = field(default_factory=list)
    orders: list[Any] = field(default_factory=list)

    def token(self, place: str) -> str:
        """A token that stands in one place only."""
        self.tokens[place] = f"zqtoken{place.replace(' ', '')}x{len(self.tokens):03d}"
        return self.tokens[place]


def plant() -> Planted:
    """Make the person and plant the tokens."""
    planted = Planted()
    planted.tokens |= {"name": NAME, "last name": FAMILY, "handle": HANDLE, "address": MAIL, "phone": PHONE}
    planted.tokens["phone as read"] = PHONE_READ
    social, mail = _accounts()
    _talk_alone(planted, social)
    _talk_in_public(planted, social)
    _mail(planted, mail)
    _merge(planted)
    _orders(planted)
    _record(planted)
    _desk(planted, social, mail)
    _around(planted, social, mail)
    planted.customer.refresh_from_db()
    return planted


def _accounts() -> tuple[Any, Any]:
    from accounts.models import Team
    from engagement.models import ChannelAccount

    make = ChannelAccount.objects.create
    social = make(
        connector="api", network="instagram", external_id=f"kettles {uuid4()}", name="Kettles",
        issuer="kettles", team=Team.general(),
    )  # fmt: skip
    mail = make(
        connector="api", network="email", external_id=f"care {uuid4()}", name="Care", team=Team.general()
    )
    return social, mail


def _ingest(planted: Planted, account: Any, events: list[Any]) -> Any:
    from engagement.ingest import ingest

    planted.pages.append((account, events))
    return ingest(account, events, live=False)


def event(key: str, text: str, *, who: Any = None, minute: int = 0, thread: str, **more: Any) -> Any:
    """One line; without `who` it is ours."""
    from engagement.channels.base import Event

    return Event(
        external_id=key,
        kind=more.pop("kind", "message"),
        direction="inbound" if who else "outbound",
        occurred_at=START + timedelta(minutes=minute),
        text=text,
        thread_keys=(thread,),
        author=who,
        **more,
    )


def _eva() -> Any:
    from engagement.channels.base import Author

    return Author("17849900112233", handle=f"@{HANDLE}", name=NAME)


def _talk_alone(planted: Planted, social: Any) -> None:
    from crm.models import Customer, Identity
    from engagement.channels.base import File

    picture = File(
        name=f"{planted.token('file name')}.png",
        content_type="image/png",
        content=planted.token("file").encode(),
    )
    _ingest(
        planted,
        social,
        [
            event(
                "p1",
                f"My kettle {planted.token('text')} hisses",
                who=_eva(),
                thread="dm:eva",
                files=(picture,),
            ),
            event("p2", f"Dear {NAME}, about {planted.token('our answer')}", thread="dm:eva", minute=5),
        ],
    )
    planted.customer = Customer.objects.get(identities__external_id="17849900112233")
    planted.customer.custom = {"card": planted.token("custom field")}
    planted.customer.note = planted.token("first note")
    planted.customer.save()
    identity = Identity.objects.create(
        network="phone", external_id=PHONE, handle=PHONE_READ, customer=planted.customer,
        home_customer=planted.customer, source="import",
    )  # fmt: skip
    assert identity.pk


def _talk_in_public(planted: Planted, social: Any) -> None:
    from engagement.channels.base import Author, PostRef

    bob = Author("bob.public", handle="@bob", name="Bob Stay")
    post = PostRef(external_id="post1", text="A new kettle")
    said = f"I would never buy that kettle again {planted.token('comment')} honestly"
    lines = [
        event("c1", said, who=_eva(), thread="post:1", public=True, kind="comment", post=post),
        event(
            "c2", f"@{HANDLE} I disagree, {OTHER_WORDS}", who=bob, thread="post:1", minute=2, public=True,
            kind="comment", post=post, in_reply_to="c1",
        ),
        event(
            "c3", f"Hi Zqeva, you say “{said}”. We are sorry, {OTHER_WORDS}", thread="post:1", minute=9,
            public=True, kind="comment", post=post, in_reply_to="c1",
        ),
    ]  # fmt: skip
    _ingest(planted, social, lines)
    planted.kept += [f"I disagree, {OTHER_WORDS}", f"We are sorry, {OTHER_WORDS}"]


def _mail(planted: Planted, mail: Any) -> None:
    from engagement.channels.base import Author

    bob = Author("bob@stay.example", name="Bob Stay")
    eva = Author(MAIL, name=NAME)
    said = f"The lid of my kettle {planted.token('mail text')} broke after two weeks of use.\nShort but mine"
    subject = f"Broken lid {planted.token('subject')}"
    quoted = "\n".join(f"> {line}" for line in said.split("\n"))
    html = f"<p>See below, {OTHER_WORDS}.</p><blockquote>The lid of my <b>kettle</b> "
    html += f"{planted.tokens['mail text']} "
    html += "broke after two weeks of use.<br>Short but mine</blockquote>"
    lines = [
        event(
            "<m1@zqhost7.example>", said, who=eva, thread="mail:m1", subject=subject,
            participants=(("cc", bob),), meta={"headers": {"from": f"{NAME} <{MAIL}>"}},
        ),
        event(
            "<m2@stay.example>", f"See below, {OTHER_WORDS}.", who=bob, thread="mail:m1", minute=3,
            subject=f"Re: {subject}", html=html, in_reply_to="<m1@zqhost7.example>",
            participants=(("other", eva),),
            meta={"quoted": quoted, "headers": {"to": MAIL, "references": ["<m1@zqhost7.example>"]}},
        ),
        event(
            "<m3@care.example>", f"Dear both, call {PHONE_READ}; {OTHER_WORDS}.\n{quoted}", thread="mail:m1",
            minute=6, subject=f"Re: {subject}", in_reply_to="<m2@stay.example>",
        ),
    ]  # fmt: skip
    _ingest(planted, mail, lines)
    planted.kept += [f"See below, {OTHER_WORDS}", f"Dear both, call [erased]; {OTHER_WORDS}"]


def _merge(planted: Planted) -> None:
    from crm.merging import merge_customers
    from crm.models import Customer

    other = Customer.objects.get(identities__external_id=MAIL)
    merge_customers(keep=planted.customer, drop=other)


def _orders(planted: Planted) -> None:
    from crm.orders import LineIn, OrderIn, store_orders

    order = OrderIn(
        external_id=planted.token("order id"), customer_id=MAIL, network="email", placed_at=START,
        total=Decimal("12.50"), currency="USD", number=planted.token("order number"),
        lines=(LineIn(title=planted.token("order line")),),
    )  # fmt: skip
    store_orders("shop", [order])
    planted.orders.append(order)


def _record(planted: Planted) -> None:
    from crm import models

    customer = planted.customer
    own = {"customer": customer, "home_customer": customer}
    identity = customer.identities.order_by("pk").first()
    models.CustomerNote.objects.create(text=planted.token("note"), **own)
    models.Task.objects.create(title=planted.token("task"), **own)
    models.Consent.objects.create(
        identity=identity, purpose="marketing", given=True, source="form", proof=planted.token("proof"), **own
    )
    models.StageChange.objects.create(
        after="purchase", at=START, why="by_hand", cause=planted.token("cause"), **own
    )
    stays = models.Customer.objects.get(identities__external_id="bob@stay.example")
    firm = models.Customer.objects.create(kind="organization", name="Stay Ltd")
    models.Affiliation.objects.create(
        person=customer, home_person=customer, organization=firm, home_organization=firm,
        role=planted.token("role"),
    )  # fmt: skip
    stays.home_referred_by = stays.referred_by = customer
    stays.note = f"Friend of {NAME}, {OTHER_WORDS}"
    stays.custom = {"met": f"with {MAIL} we know {OTHER_WORDS}"}
    stays.save()
    models.CustomerNote.objects.create(
        text=f"Ask {MAIL} or {PHONE_READ} or @{HANDLE}: {OTHER_WORDS}", customer=stays, home_customer=stays
    )
    models.Suspect.objects.create(
        low=min(customer, stays, key=lambda one: one.pk), high=max(customer, stays, key=lambda one: one.pk),
        probability=0.9, evidence=[{"field": "name", "left": planted.token("evidence"), "right": "Bob"}],
    )  # fmt: skip
    planted.kept += [
        f"Friend of [erased], {OTHER_WORDS}",
        f"with [erased] we know {OTHER_WORDS}",
        f"Ask [erased] or [erased] or [erased]: {OTHER_WORDS}",
    ]


def _desk(planted: Planted, social: Any, mail: Any) -> None:
    from accounts.models import User
    from crm.models import Customer
    from engagement.models import CannedReply, Conversation, Delivery, Draft, Interaction, PendingChange
    from personas.models import Persona

    amy = User.objects.create(email=f"amy-{uuid4()}@care.example", name="Amy")
    alone = Conversation.objects.get(interactions__external_id="p1")
    mixed = Conversation.objects.get(interactions__external_id="<m1@zqhost7.example>")
    Draft.objects.create(user=amy, conversation=alone, text=planted.token("draft"))
    Draft.objects.create(user=amy, conversation=mixed, text=f"Dear {NAME}, {OTHER_WORDS}")
    for conversation, text in ((alone, planted.token("queued")), (mixed, f"Dear Zqeva, {OTHER_WORDS}, soon")):
        line = Interaction.objects.create(
            account=conversation.account, external_id=f"out:{uuid4()}", conversation=conversation,
            team=conversation.team, staff=amy, kind="message", direction="outbound", text=text,
            occurred_at=START + timedelta(minutes=20),
        )  # fmt: skip
        Delivery.objects.create(
            interaction=line, account=conversation.account, conversation=conversation, client_key=uuid4(),
            payload={"cc": [MAIL, "bob@stay.example"], "html": f"<p>{text} {MAIL}</p>"},
        )  # fmt: skip
    Interaction.objects.create(
        account=alone.account, external_id=f"note:{uuid4()}", conversation=alone, team=alone.team, staff=amy,
        kind="note", direction="internal", text=planted.token("internal note"), occurred_at=START,
    )  # fmt: skip
    PendingChange.objects.create(
        account=social,
        external_id="p1",
        kind="edit",
        at=START,
        payload={"text": planted.token("waiting edit")},
    )
    CannedReply.objects.create(shortcut=f"thanks{uuid4().hex[:8]}", text=f"As {NAME} said, {OTHER_WORDS}")
    quote = {
        "text": f"I would never buy that kettle again {planted.tokens['comment']} honestly",
        "mood": "negative",
    }
    kept = {"text": f"Somebody else's words: {OTHER_WORDS}", "mood": "positive"}
    Persona.objects.create(name="Critics", card={"quotes": [quote, kept]})
    planted.kept += [
        f"Dear [erased], {OTHER_WORDS}",
        f"As [erased] said, {OTHER_WORDS}",
        f"Somebody else's words: {OTHER_WORDS}",
    ]
    assert Customer.objects.filter(identities__external_id="bob.public").exists()


def _around(planted: Planted, social: Any, mail: Any) -> None:
    from django.core.cache import cache
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    from accounts.models import AuditEntry
    from core.models import Event, ImportedRow, ImportRun, Job
    from engagement.models import RawEvent

    AuditEntry.objects.create(
        verb="customer.changed", object_kind="crm.customer", object_id=str(planted.customer.pk),
        object_name=NAME, detail={"before": MAIL, "kept": OTHER_WORDS},
    )  # fmt: skip
    export = default_storage.save(f"exports/{uuid4()}.zip", ContentFile(planted.token("export").encode()))
    Job.objects.create(
        kind="export_customer", title=f"Export of {NAME}", input={"customer": planted.customer.pk},
        result={"file": export}, state="done", finished_at=START,
    )  # fmt: skip
    Job.objects.create(
        kind="rebuild", title=f"For {NAME}", error=f"{MAIL} could not be read, {OTHER_WORDS}",
        result={"rejected": [[3, f"row of {PHONE_READ}"]]}, state="done", finished_at=START,
    )  # fmt: skip
    upload = default_storage.save(f"imports/{uuid4()}", ContentFile(f"email\n{MAIL}\n".encode()))
    run = ImportRun.objects.create(
        kind="import_customers", name=f"{HANDLE}.csv", path=upload, samples={"new": [{"email": MAIL}]},
        source="csv", state="done",
    )  # fmt: skip
    ImportedRow.objects.create(
        run=run,
        number=1,
        outcome="changed",
        object_id=planted.customer.pk,
        before={"name": planted.token("row")},
    )
    ImportedRow.objects.create(run=run, number=2, outcome="bad", reason=f"{MAIL} is no date, {OTHER_WORDS}")
    encoded = base64.b64encode(f"Hello, {NAME} here".encode()).decode()
    raw_mail = f"From: Bob <bob@stay.example>\nTo: {MAIL}\nContent-Transfer-Encoding: base64\n\n{encoded}\n"
    bodies = [
        ("done", json.dumps({"from": "17849900112233", "text": planted.token("raw")}, ensure_ascii=True)),
        (
            "parked",
            json.dumps({"entry": [{"from": HANDLE, "text": "x"}, {"from": "bob", "text": OTHER_WORDS}]}),
        ),
        ("parked", raw_mail),
        ("done", f"From: {MAIL}\nSubject: Broken\n\n{planted.token('raw mail')}\n"),
    ]
    for state, body in bodies:
        RawEvent.objects.create(
            account=mail, source="email", delivery_key=str(uuid4()), month=date(2026, 11, 1), state=state,
            body=body.encode(), error=f"about {MAIL}" if state == "parked" else "",
        )  # fmt: skip
    Event.objects.create(type="customer.changed", ids={"customer": planted.customer.pk, "name": NAME})
    cache.set(f"who:{HANDLE}", {"name": NAME, "text": planted.token("cache")}, 3600)
    planted.files += [export, upload]
    planted.kept += ['"from": "bob"', f"[erased] could not be read, {OTHER_WORDS}"]


# Looking


_BYTEA = re.compile(r"\\\\?x([0-9a-f]{8,})")


def readable(text: str) -> Iterator[str]:
    """A dump's text, and its columns of bytes decoded: as they are, and mail and JSON in them."""
    yield text
    for found in _BYTEA.finditer(text):
        content = codecs.decode(found[1][: len(found[1]) // 2 * 2], "hex")
        yield content.decode("utf-8", "replace")
        for part in re.findall(rb"(?m)^[A-Za-z0-9+/=]{16,}\s*$", content):
            try:
                yield base64.b64decode(part.strip(), validate=True).decode("utf-8", "replace")
            except ValueError:
                continue


def found_in(text: str, tokens: dict[str, str]) -> set[str]:
    """The places whose tokens a text still holds."""
    low = text.casefold()
    return {place for place, token in tokens.items() if token.casefold() in low}


def found_in_dump(dump: str, tokens: dict[str, str]) -> set[str]:
    """The places whose tokens a dump still holds, encoded ones included."""
    return {place for text in readable(dump) for place in found_in(text, tokens)}


def found_in_files(folder: Path, tokens: dict[str, str]) -> set[str]:
    """The places whose tokens stand in the name or the content of any file, archives unpacked."""
    found: set[str] = set()
    for path in folder.rglob("*"):
        found |= found_in(str(path.relative_to(folder)), tokens)
        if path.is_file():
            for content in _contents(path):
                found |= found_in(content.decode("utf-8", "replace"), tokens)
    return found


def _contents(path: Path) -> Iterator[bytes]:
    import zipfile

    yield path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield archive.read(name)


def found_in_redis(client: Any, tokens: dict[str, str]) -> set[str]:
    """The places whose tokens stand in any key or value of a Redis database."""
    found: set[str] = set()
    for key in client.scan_iter(count=1000):
        for value in (key, *_values(client, key)):
            found |= found_in(value.decode("utf-8", "replace"), tokens)
    return found


def _values(client: Any, key: bytes) -> Iterable[bytes]:
    kind = client.type(key)
    if kind == b"string":
        return [client.get(key) or b""]
    if kind == b"hash":
        return [one for pair in client.hgetall(key).items() for one in pair]
    if kind == b"list":
        return list(client.lrange(key, 0, -1))
    if kind == b"zset":
        return list(client.zrange(key, 0, -1))
    return list(client.smembers(key)) if kind == b"set" else []
