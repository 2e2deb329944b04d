"""A made-up file of customers, drawn from a seed: mostly good rows, some bad, some twice."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from pathlib import Path

SEED = 20261122
FIRST = """
Ada Amy Ben Carla Chen Dana Diego Elif Emma Eva Farah Finn Greta Hana Hugo Ida Ilya Iris Ivan Jan
Jonas Kai Lars Lena Leo Lina Luca Maja Marta Max Mia Mila Nadia Nils Noor Olga Omar Pablo Pia Rafael
Rosa Sara Sofia Tariq Theo Uma Vera Viktor Yara Zoe
""".split()
LAST = """
Adler Alvarez Berg Bauer Costa Dahl Dubois Eriksen Fischer Garcia Haas Hoffmann Ito Jansen Keller
Kim Kovacs Kruger Larsen Lind Lopez Maier Marin Martin Meyer Moreau Novak Olsen Park Peeters Petrov
Ricci Romano Rossi Roth Sato Schmidt Silva Smit Stein Suzuki Tanaka Toth Vogel Wagner Weber Wolf
Yilmaz Young Zhang
""".split()
CITIES = (
    ("Berlin", "DE"), ("Hamburg", "DE"), ("Lyon", "FR"), ("Gent", "BE"), ("Porto", "PT"), ("Malmö", "SE"),
    ("Torino", "IT"), ("Utrecht", "NL"), ("Graz", "AT"), ("Cork", "IE"),
)  # fmt: skip
JOBS = ("Nurse", "Teacher", "Engineer", "Buyer", "Cook", "Designer", "Clerk", "Driver", "Owner", "Student")
HEADER = (
    "Customer ID", "First name", "Last name", "E-mail", "Phone", "City", "Country", "Birth year", "Job title",
    "Company", "Tags", "Newsletter",
)  # fmt: skip
ORGANIZATIONS = 20_000


def write_people(path: Path, count: int, *, seed: int = SEED) -> None:
    """Write a CSV file with this many rows."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(HEADER)
        writer.writerows(people(count, seed=seed))


def people(count: int, *, seed: int = SEED) -> Iterator[tuple[str, ...]]:
    """Rows of the file: one in a hundred is bad, one in a hundred repeats a row above it."""
    drawn = random.Random(seed)
    last: tuple[str, ...] | None = None
    for number in range(count):
        kind = drawn.random()
        if last is not None and kind < 0.005:
            yield last
        elif last is not None and kind < 0.01:
            yield (*last[:5], "Elsewhere", *last[6:])
        else:
            row = _person(number, drawn)
            if kind > 0.99:
                row = (*row[:3], "no address", *row[4:])
            else:
                last = row
            yield row


def expected(count: int, *, seed: int = SEED) -> dict[str, int]:
    """What an import of the file must count, told from the rows alone."""
    found = {"rows": 0, "new": 0, "unchanged": 0, "matched": 0, "conflicting": 0, "bad": 0}
    above: dict[str, tuple[str, ...]] = {}
    for row in people(count, seed=seed):
        found["rows"] += 1
        if "@" not in row[3]:
            found["bad"] += 1
        elif row[0] not in above:
            found["new"] += 1
            above = {row[0]: row}
        elif above[row[0]] == row:
            found["unchanged"] += 1
            found["matched"] += 1
        else:
            found["conflicting"] += 1
    return found


def _person(number: int, drawn: random.Random) -> tuple[str, ...]:
    first, name = drawn.choice(FIRST), drawn.choice(LAST)
    city, country = drawn.choice(CITIES)
    company = f"Company {drawn.randrange(ORGANIZATIONS)}" if drawn.random() < 0.3 else ""
    return (
        f"C{number:07d}",
        first,
        name,
        f"{first}.{name}.{number}@example.org".lower(),
        f"+4917{number % 100_000_000:08d}" if drawn.random() < 0.6 else "",
        city,
        country,
        str(drawn.randrange(1940, 2008)),
        drawn.choice(JOBS),
        company,
        "loyal; newsletter" if drawn.random() < 0.2 else "",
        "yes" if drawn.random() < 0.1 else "",
    )
