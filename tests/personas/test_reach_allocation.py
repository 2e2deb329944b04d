"""How posts are split and when they go out: numbers that add up, a floor, and days that are not crowded."""

from __future__ import annotations

from collections import Counter
from datetime import date
from itertools import pairwise
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personas.reach.allocation import FLOOR, capped, interleave, largest_remainder, square_root_shares
from personas.reach.slots import EARLIEST, LATEST, blended, choose_slots, empty_grid

NAMES = st.sampled_from("abcdefgh")
EXPECTED = st.dictionaries(NAMES, st.floats(0, 1e6), min_size=1)


def test_four_times_the_results_get_twice_the_share() -> None:
    shares = square_root_shares({"a": 4.0, "b": 1.0})
    assert shares == pytest.approx({"a": 2 / 3, "b": 1 / 3})


@given(EXPECTED)
def test_shares_add_up_to_one_and_none_is_below_the_floor(expected: dict[str, float]) -> None:
    shares = square_root_shares(expected)
    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares.values()) >= min(FLOOR, 1 / len(expected)) - 1e-9


@given(EXPECTED)
def test_who_expects_more_gets_no_less(expected: dict[str, float]) -> None:
    shares = square_root_shares(expected)
    order = sorted(expected, key=lambda key: expected[key])
    assert all(shares[a] <= shares[b] + 1e-9 for a, b in pairwise(order))


def test_shares_above_the_floor_keep_the_law_among_themselves() -> None:
    shares = square_root_shares({"a": 900.0, "b": 400.0, "c": 0.001})
    assert shares["c"] == pytest.approx(FLOOR)
    assert shares["a"] / shares["b"] == pytest.approx(sqrt(900 / 400))


@given(EXPECTED, st.integers(0, 500))
def test_whole_numbers_add_up_exactly_and_stray_by_less_than_one(
    expected: dict[str, float], total: int
) -> None:
    shares = square_root_shares(expected)
    found = largest_remainder(shares, total)
    assert sum(found.values()) == total
    assert all(abs(found[key] - total * shares[key]) < 1 for key in shares)


@given(
    st.dictionaries(NAMES, st.tuples(st.floats(0, 1), st.integers(0, 60)), min_size=1), st.integers(0, 300)
)
def test_caps_are_kept_and_what_they_cut_goes_to_others(
    places: dict[str, tuple[float, int]], total: int
) -> None:
    caps = {name: cap for name, (_share, cap) in places.items()}
    found = capped({name: share for name, (share, _cap) in places.items()}, total, caps)
    assert all(0 <= found[name] <= caps[name] for name in caps)
    assert sum(found.values()) == min(total, sum(caps.values()))


@given(st.dictionaries(NAMES, st.integers(0, 20)))
def test_an_even_order_has_each_as_often_as_it_counts(counts: dict[str, int]) -> None:
    found = interleave(counts)
    assert Counter(found) == Counter({key: n for key, n in counts.items() if n})


def test_an_even_order_is_even() -> None:
    assert "".join(interleave({"a": 3, "b": 1})) in ("aaba", "abaa")
    assert "".join(interleave({"a": 2, "b": 2})) == "abab"


def sundays_at_eight() -> list[list[float]]:
    grid = empty_grid()
    grid[6][20] = 100.0
    grid[2][12] = 25.0
    return grid


def choose(count: int, last: date = date(2026, 12, 31)) -> list[tuple[date, int]]:
    grid = blended(sundays_at_eight(), empty_grid(), 10.0)
    return choose_slots(date(2026, 12, 1), last, grid, count, taken=Counter(), own=Counter())


def test_the_fullest_hours_come_first() -> None:
    chosen = choose(4)
    assert [(day.weekday(), hour) for day, hour in chosen] == [(6, 20)] * 4
    assert [day.day for day, _hour in chosen] == [6, 13, 20, 27]


def test_one_day_is_not_crowded_while_others_are_free() -> None:
    assert max(Counter(day for day, _hour in choose(20)).values()) == 1


@given(st.integers(1, 40))
def test_slots_are_as_many_as_asked_by_day_and_never_at_night(count: int) -> None:
    chosen = choose(count, last=date(2026, 12, 7))
    assert len(chosen) == count == len(sorted(chosen))
    assert all(EARLIEST <= hour <= LATEST for _day, hour in chosen)


def test_a_day_that_other_networks_took_is_worth_less() -> None:
    grid = blended(sundays_at_eight(), empty_grid(), 10.0)
    taken = Counter({date(2026, 12, 6): 2})
    [(day, _hour)] = choose_slots(date(2026, 12, 1), date(2026, 12, 31), grid, 1, taken=taken, own=Counter())
    assert day == date(2026, 12, 13)


def test_few_touches_are_drawn_towards_everybodys_hours() -> None:
    own, everybody = empty_grid(), empty_grid()
    own[0][9], everybody[4][18] = 1.0, 1000.0
    grid = blended(own, everybody, 100.0)
    assert grid[4][18] > 50 * grid[0][9]
    assert sum(map(sum, grid)) == pytest.approx(1)
