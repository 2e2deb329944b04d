"""Personas on the demo shop against its five hidden kinds of customer, through the whole of Rapport.

The demo enters by its doors, `rebuild` computes traits and personas, and the result is compared with the
kinds that the generator drew from. Shown beside: the best that one threshold on one trait can do for two
kinds, and plain KMeans on standardized counts, which is told k. SIZE=small: half the customers and one
seed. FIRST is the demo's own seed; SECOND was drawn after the code was final.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime
from itertools import combinations
from random import Random
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from benchmarks._figures import Figures, is_small, migrated_django, say_machine

if TYPE_CHECKING:
    import pandas as pd

FIRST, SECOND, SHUFFLE = 20_260, 479_263, 5
FULL, SMALL = 2_000, 1_000
LEAST_KNOWN = 30
COUNTS = ("inbound_365", "outbound_90", "active_days_365", "orders_365", "orders_total", "inbound_total")


def main() -> int:
    """Measure and return the exit code."""
    figures = Figures()
    say_machine(figures)
    with migrated_django():
        _all(figures, SMALL if is_small() else FULL)
    return figures.exit_code()


def _all(figures: Figures, size: int) -> None:
    first = _found(figures, "demo seed", FIRST, size)
    figures.at_least("demo seed, adjusted Rand index", first["rand"], 0.8 if size == FULL else 0.7)
    # a threshold fits chance as well, and the more so the fewer customers there are
    figures.at_most(
        "demo seed, best single trait for two kinds, accuracy",
        first["single"],
        0.75 if size == FULL else 0.79,
    )
    figures.at_least("demo seed, part of the customers with under three events", first["sparse"], 0.2)
    figures.say("demo seed, plain KMeans on standardized counts, adjusted Rand index", first["plain"])
    if size == FULL:
        second = _found(figures, "second seed", SECOND, size)
        figures.at_least("second seed, adjusted Rand index", second["rand"], 0.75)
    again = _found(figures, "other order and ids", FIRST, size, shuffle=SHUFFLE)
    shared = first["personas"].index.intersection(again["personas"].index)
    same = _rand(first["personas"][shared], again["personas"][shared])
    figures.at_least("other order and ids, adjusted Rand index to the first", same, 0.99)


def _found(figures: Figures, name: str, seed: int, size: int, shuffle: int | None = None) -> dict[str, Any]:
    """Load one demo into the emptied database, rebuild, and compare."""
    _empty()
    return _measure(figures, name, seed, size, shuffle)


def _empty() -> None:
    """No customer of the demo before is left; ids go on, so that they differ."""
    from django.utils import timezone

    from core.demo import remove_demo
    from core.models import Workspace

    Workspace.current()
    Workspace.objects.update(demo_since=timezone.now())
    remove_demo()


def _measure(figures: Figures, name: str, seed: int, size: int, shuffle: int | None) -> dict[str, Any]:
    import pandas as pd

    from personas.models import Persona

    demo = _load(seed, size, shuffle)
    seconds = _rebuild()
    personas, traits = _memberships(demo), _traits(demo)
    kinds = pd.Series(demo.kinds)
    events = pd.Series(
        [row.person for row in demo.interactions] + [row.person for row in demo.orders]
    ).value_counts()
    counted = events.reindex(kinds.index).fillna(0)
    active = Persona.objects.filter(is_active=True)
    figures.say(
        f"{name}, customers, interactions, orders", f"{size}, {len(demo.interactions)}, {len(demo.orders)}"
    )
    figures.say(f"{name}, personas found", active.count())
    figures.say(f"{name}, names", ", ".join(active.order_by("pk").values_list("name", flat=True)))
    figures.say(f"{name}, seconds of the first rebuild", seconds)
    shown = kinds.loc[personas.index]
    often = counted[counted >= 3].index.intersection(personas.index)
    figures.say(
        f"{name}, adjusted Rand index with three events or more", _rand(kinds[often], personas[often])
    )
    if shuffle is None and seed == FIRST:
        _add_tenth(figures, name, seed, personas)
    return {
        "rand": _rand(shown, personas),
        "single": _best_single(figures, name, traits, kinds),
        "sparse": float((counted < 3).mean()),
        "plain": _plain(traits, kinds),
        "personas": personas,
    }


def _load(seed: int, size: int, shuffle: int | None) -> Any:
    """The demo by its doors; shuffled, people and pages come in another order and so get other ids."""
    from analytics.demo import load
    from analytics.demo.generator import generate
    from core.models import Workspace

    load._prepare(seed)
    demo = generate(seed=seed, now=_now(), customers=size)
    accounts = load._accounts()
    if shuffle is not None:
        chance = Random(shuffle)
        chance.shuffle(demo.people)
        chance.shuffle(demo.interactions)
        chance.shuffle(demo.orders)
    load.load_people(demo, accounts)
    if shuffle is not None:
        load.load_orders(demo)
    for _stored in load.load_interactions(demo, accounts):
        pass
    load.load_orders(demo)
    Workspace.objects.update(demo_since=None)
    return demo


def _rebuild(*, refit: bool = False) -> float:
    from core.jobs import run_job
    from personas.nightly import start_rebuild

    job = run_job(start_rebuild(enqueue=False, full=True, refit=refit).pk)
    if job is None or job.state != "done":
        sys.exit(f"Error: the rebuild failed: {job.error if job else 'somebody else ran it'}")
    return job.seconds or 0.0


def _numbers(demo: Any) -> dict[int, int]:
    """Person by customer id, told by their handles."""
    from crm.models import Identity

    known = {
        (one.network, one.external_id): person.number for person in demo.people for one in person.identities
    }
    rows = Identity.objects.values_list("customer_id", "network", "external_id")
    return {customer: known[network, key] for customer, network, key in rows if (network, key) in known}


def _memberships(demo: Any) -> pd.Series:
    import pandas as pd

    from personas.models import PersonaMembership

    numbers = _numbers(demo)
    rows = PersonaMembership.objects.values_list("customer_id", "persona_id")
    return pd.Series({numbers[customer]: persona for customer, persona in rows if customer in numbers})


def _traits(demo: Any) -> pd.DataFrame:
    import pandas as pd

    from personas.models import Traits
    from personas.traits import CATALOGUE

    numbers = _numbers(demo)
    names = [trait.name for trait in CATALOGUE if trait.type != "text"]
    frame = pd.DataFrame(list(Traits.objects.values("customer_id", *names))).set_index("customer_id")
    frame = frame[frame.index.isin(list(numbers))]
    frame.index = frame.index.map(numbers)
    for trait in CATALOGUE:
        if trait.type == "time":
            frame[trait.name] = pd.to_datetime(frame[trait.name], utc=True).astype("int64")
    return frame.astype(float)


def _rand(one: pd.Series, other: pd.Series) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(one.to_numpy(), other.loc[one.index].to_numpy()))


def _best_single(figures: Figures, name: str, traits: pd.DataFrame, kinds: pd.Series) -> float:
    """The largest balanced accuracy of one threshold on one trait, over traits and pairs of kinds.

    Of the customers whose trait is known, in the very sample the threshold was chosen on; not of a trait that
    is known of fewer than `LEAST_KNOWN` of a kind, whom some threshold parts by chance.
    """
    of = kinds.loc[traits.index]
    found = {
        (str(column), pair): _of_pair(traits[column], of, pair)
        for column in traits
        for pair in combinations(sorted(kinds.unique()), 2)
    }
    for pair in dict.fromkeys(pair for _column, pair in found):
        trait, accuracy = max(
            ((column, value) for (column, other), value in found.items() if other == pair),
            key=lambda best: best[1],
        )
        figures.say(f"{name}, {pair[0]} or {pair[1]}, best single trait", f"{trait} {accuracy:.3f}")
    return max(found.values())


def _of_pair(values: pd.Series, kinds: pd.Series, pair: tuple[str, str]) -> float:
    rows = kinds.isin(pair) & values.notna()
    if kinds[rows].value_counts().reindex(list(pair), fill_value=0).min() < LEAST_KNOWN:
        return 0.5
    return _threshold(values[rows].to_numpy(), (kinds[rows] == pair[0]).to_numpy())


def _threshold(values: Any, is_one: Any) -> float:
    import numpy as np

    if not is_one.any() or is_one.all():
        return 0.5
    order = np.argsort(values, kind="stable")
    ordered, truth = values[order], is_one[order]
    apart = np.abs(np.cumsum(truth) / truth.sum() - np.cumsum(~truth) / (~truth).sum())
    last = np.append(ordered[1:] != ordered[:-1], True)
    return float(0.5 + apart[last].max() / 2)


def _plain(traits: pd.DataFrame, kinds: pd.Series) -> float:
    import pandas as pd
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import StandardScaler

    counts = StandardScaler().fit_transform(traits[list(COUNTS)].fillna(0))
    labels = KMeans(5, n_init=10, random_state=0).fit(counts).labels_
    return _rand(kinds.loc[traits.index], pd.Series(labels, index=traits.index))


def _add_tenth(figures: Figures, name: str, seed: int, before: pd.Series) -> None:
    """A tenth of new customers comes in and the model is fitted anew: the personas keep their ids."""
    from analytics.demo import load
    from analytics.demo.generator import generate
    from engagement.models import ChannelAccount
    from personas.models import Persona

    size, active = len(before), Persona.objects.filter(is_active=True)
    ids = set(active.values_list("pk", flat=True))
    everybody = generate(seed=seed, now=_now(), customers=size + size // 10)
    accounts = {account.network: account for account in ChannelAccount.objects.filter(connector="demo")}
    more = replace(
        everybody,
        people=[person for person in everybody.people if person.number > size],
        interactions=[row for row in everybody.interactions if row.person > size],
        orders=[row for row in everybody.orders if row.person > size],
    )
    load.load_people(more, accounts)
    for _stored in load.load_interactions(more, accounts):
        pass
    load.load_orders(more)
    _rebuild(refit=True)
    after = _memberships(everybody)
    figures.say(f"{name}, customers after a tenth more came", len(after))
    figures.equal(
        f"{name}, persona ids kept when fitted anew with them",
        set(active.values_list("pk", flat=True)) == ids,
        True,
    )
    stayed = float((after.loc[before.index] == before).mean())
    figures.at_least(f"{name}, part of the others that kept their persona", stayed, 0.95)


def _now() -> datetime:
    from analytics.demo.load import ZONE

    return datetime(2026, 11, 20, 18, tzinfo=ZoneInfo(ZONE))


if __name__ == "__main__":
    sys.exit(main())
