"""The demo's generator: one seed, believable volumes, kinds that differ in rates and nothing else."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from analytics.demo.generator import Demo, generate
from analytics.demo.kinds import KINDS, LEVELS
from analytics.demo.lives import interests_of, work_of
from analytics.demo.shop import NETWORKS, PRODUCTS
from analytics.demo.surveys import surveys
from engagement.reading import read_texts
from tests.personas.trait_oracle import NOW, demo_shop


@pytest.fixture(scope="module")
def demo() -> Demo:
    return demo_shop()[0]


def small(**more: object) -> Demo:
    return generate(**{"seed": 7, "now": NOW, "customers": 120, **more})  # type: ignore[arg-type]


def test_one_seed_gives_one_demo_and_another_gives_another() -> None:
    assert small() == small()
    assert small().interactions != small(seed=8).interactions


def test_more_customers_leave_the_others_as_they_are() -> None:
    few, many = small(), small(customers=150)
    assert many.people[:120] == few.people
    assert [row for row in many.orders if row.person <= 120] == few.orders
    assert [row for row in many.interactions if row.person <= 120] == few.interactions


def test_the_shop_has_the_promised_size(demo: Demo) -> None:
    assert len(demo.people) == 2_000
    assert len(demo.interactions) == pytest.approx(15_000, rel=0.05)
    assert len(demo.orders) == pytest.approx(6_000, rel=0.05)
    assert {row.network for row in demo.interactions} == {network.name for network in NETWORKS}
    assert len(NETWORKS) == 8


def test_a_fifth_of_the_customers_has_under_three_events(demo: Demo) -> None:
    """Counting our answers as well."""
    events = Counter(row.person for row in (*demo.interactions, *demo.orders))
    assert sum(events[person.number] < 3 for person in demo.people) >= 400


@pytest.mark.parametrize("day", [datetime(2026, 3, 29, 9), datetime(2027, 1, 1, 0, 5)])
def test_a_year_ends_now_whatever_the_day(day: datetime) -> None:
    now = day.replace(tzinfo=ZoneInfo("Europe/Luxembourg"))
    made = small(now=now)
    times = [row.occurred_at for row in made.interactions] + [row.placed_at for row in made.orders]
    assert max(times) <= now
    assert min(times) > now - timedelta(days=367)


def test_something_of_today_and_yesterday_waits_for_an_answer(demo: Demo) -> None:
    answered = {row.in_reply_to for row in demo.interactions}
    lately = [
        row
        for row in demo.interactions
        if row.direction == "inbound" and row.occurred_at > NOW - timedelta(days=2)
    ]
    assert len(lately) >= 10
    assert any(row.external_id not in answered for row in lately)


def test_answers_follow_what_they_answer_in_the_same_thread(demo: Demo) -> None:
    said = {row.external_id: row for row in demo.interactions if row.direction == "inbound"}
    answers = [row for row in demo.interactions if row.direction == "outbound"]
    assert len(answers) > 2_000
    for row in answers:
        before = said[row.in_reply_to]
        assert (row.thread_key, row.network, row.public) == (
            before.thread_key,
            before.network,
            before.public,
        )
        assert row.occurred_at > before.occurred_at
        assert row.staff


def test_everybody_speaks_by_a_handle_of_their_own(demo: Demo) -> None:
    handles = {person.number: {one.network for one in person.identities} for person in demo.people}
    assert all(row.network in handles[row.person] for row in demo.interactions)
    assert all("email" in handles[row.person] for row in demo.orders)
    keys = Counter((one.network, one.external_id) for person in demo.people for one in person.identities)
    assert max(keys.values()) == 1
    assert max(Counter((row.network, row.external_id) for row in demo.interactions).values()) == 1


def test_comments_hang_on_posts_of_their_network(demo: Demo) -> None:
    posts = {post.external_id: post for post in demo.posts}
    comments = [row for row in demo.interactions if row.post]
    assert len(comments) > 500
    for row in comments:
        assert posts[row.post].network == row.network
        assert posts[row.post].published_at < row.occurred_at


def test_orders_add_up(demo: Demo) -> None:
    prices = {product.code: product.price for product in PRODUCTS}
    for order in demo.orders:
        gross = sum(line.units * line.price for line in order.lines)
        assert order.total + order.discount == pytest.approx(gross, abs=0.01)
        assert 0 <= order.refunded <= order.total
        assert order.units == sum(line.units for line in order.lines)
        assert all(prices[line.product] == line.price for line in order.lines)


def test_the_kind_is_written_nowhere(demo: Demo) -> None:
    names = [word for kind in KINDS for word in (kind.name, kind.name.split()[-1])]
    told = [row.text for row in demo.interactions] + [row.subject for row in demo.interactions]
    told += [text for person in demo.people for text in (*person.tags, person.city, person.name)]
    said = "\n".join(told).lower()
    for name in ("careful enthusiasts", "gift buyers", "bargain hunters", "office buyers", "quiet regulars"):
        assert name in names
        assert name not in said


def test_kinds_differ_in_rates_that_all_can_have() -> None:
    for name, (low, high) in LEVELS.items():
        assert low < high, name
        assert 1 <= sum(name in kind.high for kind in KINDS) <= 4, name
    assert all(kind.high <= set(LEVELS) for kind in KINDS)
    assert all(weight > 0 for kind in KINDS for weight in kind.tastes)


def test_every_kind_does_everything(demo: Demo) -> None:
    """No field, network, reason, category or kind of interaction belongs to one kind alone."""
    for value in ("network", "kind", "meant"):
        rows = [row for row in demo.interactions if row.direction == "inbound"]
        seen = Counter((demo.kinds[row.person], getattr(row, value)) for row in rows)
        assert len(seen) == len(KINDS) * len({getattr(row, value) for row in rows}), value
    lines = Counter(
        (demo.kinds[order.person], line.category) for order in demo.orders for line in order.lines
    )
    assert len(lines) == len(KINDS) * 8


def test_no_trait_alone_separates_two_kinds() -> None:
    _demo, frame, kinds = demo_shop()
    worst: dict[tuple[str, str, str], float] = {}
    for name in frame.columns:
        if pd.api.types.is_datetime64_any_dtype(frame[name]):
            values = frame[name].astype("int64").where(frame[name].notna()).astype(float)
        elif pd.api.types.is_numeric_dtype(frame[name]):
            values = frame[name].astype(float)
        else:
            continue
        for one, other in combinations(sorted(kinds.unique()), 2):
            rows = kinds.isin([one, other]) & values.notna()
            found = best_threshold(values[rows].to_numpy(), (kinds[rows] == one).to_numpy())
            worst[name, one, other] = found
    assert len(worst) > 350
    assert max(worst.values()) <= 0.75, max(worst, key=lambda key: worst[key])


def best_threshold(values: np.ndarray, is_one: np.ndarray) -> float:
    """Balanced accuracy of the best single threshold, either way round."""
    cuts = np.unique(values)
    below = np.array([[(values[side] <= cut).mean() for cut in cuts] for side in (is_one, ~is_one)])
    return float(0.5 + np.abs(below[0] - below[1]).max() / 2)


def test_texts_are_read_as_they_were_meant(demo: Demo) -> None:
    rows = [row for row in demo.interactions if row.direction == "inbound"][::13]
    readings = read_texts([row.text for row in rows], languages=["en", "fr", "de", "es"])
    right = sum(row.meant == reading.reason for row, reading in zip(rows, readings, strict=True))
    assert right / len(rows) > 0.95


def test_texts_are_seldom_the_same(demo: Demo) -> None:
    texts = [row.text for row in demo.interactions if row.direction == "inbound"]
    assert len(set(texts)) > 0.85 * len(texts)


def test_what_people_work_as_and_like_is_the_same_again_and_leans_by_network():
    on_x = [interests_of(7, number, ["x"]) for number in range(400)]
    elsewhere = [interests_of(7, number, ["email"]) for number in range(400)]
    assert on_x == [interests_of(7, number, ["x"]) for number in range(400)]
    assert all(len(set(told)) == len(told) <= 3 for told in on_x)
    rare = [sum("Rare plants" in told for told in group) for group in (on_x, elsewhere)]
    assert rare[0] > 1.5 * rare[1] > 0
    works = [work_of(7, number, ["email"]) for number in range(400)]
    assert all(bool(field) == bool(job) for field, job in works)
    assert 150 < sum(bool(field) for field, _job in works) < 290


def test_surveys_follow_private_talks_and_some_people_answer_them(demo: Demo) -> None:
    asked = [row for row in surveys(7, demo.interactions, NOW) if row.direction == "outbound"]
    said = [row for row in surveys(7, demo.interactions, NOW) if row.direction == "inbound"]
    assert surveys(7, demo.interactions, NOW) == surveys(7, demo.interactions, NOW)
    assert len(asked) > 800
    assert 0.25 < len(said) / len(asked) < 0.5
    known = {row.external_id: row for row in asked}
    for row in said:
        before = known[row.in_reply_to]
        assert before.occurred_at < row.occurred_at <= NOW
        assert (row.person, row.thread_key) == (before.person, before.thread_key)
        assert 0 <= (row.rating or 0) <= 10
    mine = {row.external_id for row in demo.interactions}
    assert not mine & {row.external_id for row in (*asked, *said)}
