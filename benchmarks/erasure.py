"""What is left of an erased person: tokens planted everywhere, looked for in dump, files and Redis.

One person's unique tokens are planted in every place an installation keeps words in (`_traces`). They are
erased; then the whole database is dumped by `pg_dump`, every file is read with archives unpacked, and every
key and value of Redis. The same pages are pulled again, and a new message comes. After that a customer with
a tenth of all interactions is erased, for the time it takes. Everything happens in a database of its own.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks import _traces
from benchmarks._figures import Figures, is_small, migrated_django, say_machine

FULL, SMALL = 100_000, 10_000
PAGE = 500
WORDS = (
    "kettle lid steam filter water scale handle price order parcel morning evening shop street window answer "
    "question colour noise base cable plug minute degree cup spout rim glass steel cork box label letter "
    "reply friend kitchen table shelf summer winter repair spare screw seal hose timer switch light button"
).split()
BOUND_SECONDS = 60.0
"""For a customer with a tenth of all interactions, in a database of the full size."""


def main() -> int:
    """Measure and return the exit code."""
    figures = Figures()
    total = SMALL if is_small() else FULL
    say_machine(figures)
    with migrated_django() as url, _own_folder() as folder:
        planted = _traces.plant()
        _tell_planted(figures, planted, url, folder)
        _erase(figures, planted)
        _tell_found(figures, "after the erasure", planted, url, folder)
        _tell_kept(figures, planted, url)
        _pull_again(figures, planted)
        _tell_found(figures, "after pulling again", planted, url, folder)
        _pull_into_emptied(figures, planted)
        _write_anew(figures, planted)
        _erase_big(figures, total)
    return figures.exit_code()


@contextmanager
def _own_folder() -> Iterator[Path]:
    """Put files and the list of erasures into a folder of their own."""
    from django.conf import settings

    folder = Path(tempfile.mkdtemp(prefix="rapport-erasure-"))
    settings.MEDIA_ROOT, settings.VAR_DIR = folder / "media", folder
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _dump(url: str) -> str:
    """Return the whole database as pg_dump writes it."""
    from config.postgres import program

    done = subprocess.run([str(program("pg_dump")), "--dbname", url], capture_output=True, check=True)
    return done.stdout.decode("utf-8", "replace")


def _found(planted: _traces.Planted, url: str, folder: Path) -> dict[str, set[str]]:
    from core.events import live_redis

    return {
        "database": _traces.found_in_dump(_dump(url), planted.tokens),
        "files": _traces.found_in_files(folder, planted.tokens),
        "Redis": _traces.found_in_redis(live_redis(), planted.tokens),
    }


def _tell_planted(figures: Figures, planted: _traces.Planted, url: str, folder: Path) -> None:
    found = _found(planted, url, folder)
    here = set.union(*found.values())
    figures.say("tokens planted", len(planted.tokens))
    figures.say("places", ", ".join(sorted(planted.tokens)))
    for place, tokens in found.items():
        figures.say(f"tokens in {place} before", len(tokens))
    figures.equal("tokens found before the erasure", len(here), len(planted.tokens))


def _erase(figures: Figures, planted: _traces.Planted) -> None:
    from crm.privacy.erasing import erase_customer

    began = time.perf_counter()
    erasure = erase_customer(customer=planted.customer, by=None)
    figures.say("seconds of the erasure", time.perf_counter() - began)
    figures.say("tables", len(erasure.counts))
    figures.say("rows erased or blotted out", sum(erasure.counts.values()))


def _tell_found(figures: Figures, when: str, planted: _traces.Planted, url: str, folder: Path) -> None:
    for place, tokens in _found(planted, url, folder).items():
        if tokens:
            figures.say(f"left in {place} {when}", ", ".join(sorted(tokens)))
        figures.equal(f"tokens in {place} {when}", len(tokens), 0)


def _tell_kept(figures: Figures, planted: _traces.Planted, url: str) -> None:
    dump = "\n".join(_traces.readable(_dump(url)))
    gone = [words for words in planted.kept if words not in dump]
    if gone:
        figures.say("other people's words that are gone", "; ".join(gone))
    figures.equal(
        "sentences of others that kept their words", len(planted.kept) - len(gone), len(planted.kept)
    )


def _pull_again(figures: Figures, planted: _traces.Planted) -> None:
    """Pull every page and push every order again."""
    from crm.models import Customer, Order
    from crm.orders import store_orders
    from engagement.ingest import ingest

    outcomes: list[str] = []
    for account, events in planted.pages:
        outcomes += ingest(account, events, live=False).outcomes
    store_orders("shop", planted.orders)
    figures.say("events left out when pulled again", outcomes.count("erased"))
    figures.equal("events stored when pulled again", outcomes.count("stored"), 0)
    figures.equal("orders stored when pushed again", Order.objects.count(), 0)
    figures.equal("records of that name", Customer.objects.filter(name=_traces.NAME).count(), 0)


def _pull_into_emptied(figures: Figures, planted: _traces.Planted) -> None:
    """Pull the pages into emptied accounts: what others said comes, what this person said does not."""
    from crm.models import Identity
    from engagement.ingest import ingest
    from engagement.models import Conversation, Interaction

    for account, _events in planted.pages:
        Interaction.objects.filter(account=account).delete()
        Conversation.objects.filter(account=account).delete()
    for account, events in planted.pages:
        ingest(account, events, live=False)
    others = {event.external_id for _account, events in planted.pages for event in events}
    theirs = {
        event.external_id
        for _account, events in planted.pages
        for event in events
        if event.author is not None and event.author.name == _traces.NAME
    }
    here = set(Interaction.objects.filter(external_id__in=others).values_list("external_id", flat=True))
    figures.equal("their lines in emptied accounts", len(here & theirs), 0)
    handles = ["17849900112233", _traces.MAIL]
    figures.equal("their handles", Identity.objects.filter(external_id__in=handles).count(), 0)


def _write_anew(figures: Figures, planted: _traces.Planted) -> None:
    from django.utils import timezone

    from crm.models import Customer
    from engagement.ingest import ingest

    account, events = planted.pages[0]
    later = timezone.now() + timedelta(seconds=1)
    anew = replace(events[0], external_id="anew", occurred_at=later, text="hello again", files=())
    figures.equal("a new message after it", ingest(account, [anew]).outcomes[0].value, "stored")
    found = Customer.objects.get(identities__external_id="17849900112233")
    figures.equal("is of a new customer", found.pk != planted.customer.pk, True)
    figures.equal("with so many interactions", found.interactions.count(), 1)


def _erase_big(figures: Figures, total: int) -> None:
    """Erase somebody who wrote a tenth of everything: in private, in public, in many conversations."""
    from accounts.models import Team
    from crm.models import Customer
    from crm.privacy.erasing import erase_customer
    from engagement.ingest import ingest
    from engagement.models import ChannelAccount, Interaction

    account = ChannelAccount.objects.create(
        connector="api", network="bench", external_id="big", name="big", issuer="big", team=Team.general()
    )
    for start in range(0, total, PAGE):
        ingest(account, [_line(n) for n in range(start, start + PAGE)], read_text=False, live=False)
    big = Customer.objects.get(identities__external_id="big.writer.7781")
    own = Interaction.objects.filter(customer=big).count()
    mentions = Interaction.objects.filter(text__contains="Grandis Vielschreiber").count()
    figures.say("interactions in the database", Interaction.objects.count())
    figures.say("interactions of the big customer", own)
    figures.say("lines of others that name them", mentions)
    began = time.perf_counter()
    erasure = erase_customer(customer=big, by=None)
    seconds = time.perf_counter() - began
    figures.say("rows erased or blotted out of the big customer", sum(erasure.counts.values()))
    left = Interaction.objects.filter(text__icontains="Vielschreiber").count()
    figures.equal("lines that name them still", left, 0)
    figures.at_most("seconds to erase the big customer", seconds, BOUND_SECONDS)


def _line(n: int) -> Any:
    from engagement.channels.base import Author

    is_big = n % 10 == 0
    who = (
        Author("big.writer.7781", name="Grandis Vielschreiber")
        if is_big
        else Author(f"p{n % 5000}", name=f"Person {n % 5000}")
    )
    text = " ".join(random.Random(n).choices(WORDS, k=18))
    if n % 101 == 1:
        text += ", says Grandis Vielschreiber"
    public = n % 2 == 0
    thread = f"post:{n // 40}" if public else f"dm:{n % 5000}"
    return _traces.event(f"big{n}", text, who=who, minute=n, thread=thread, public=public)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    sys.exit(main())
