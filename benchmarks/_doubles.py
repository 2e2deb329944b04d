"""Customers by seed, some of whom are there twice, as mail, phone and social networks would leave them.

Names follow a steep curve (a few family names are borne by many), a quarter of each thing is unknown, and one
name, Maria Garcia, is borne by three people in a thousand. Whoever is there twice came by other handles, and
their second record may have the name turned round, shortened or misspelt, a wrong digit, or hardly anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

GIVEN = (
    "Maria Anna Eva Peter Paul Lars Karin Hans Greta Sofia Carlos Elena Marco Giulia Emma Louis Chloe John "
    "Jane Robert Oscar Alva Noah Liam Ingrid Sven Olof Maja Elsa Hugo Wilma Lucas Astrid Ebba Saga Klaus "
    "Petra Ivan Olga Pavel Irina Ahmed Fatima Omar Leila Yuki Kenji Aiko Wei Ling Amara Kofi Ade Ngozi Pablo "
    "Lucia Diego Camille Jules Manon Theo Lea Erik Nora Jonas Mikkel Freja Anton Clara Felix Ida Oliver Ella "
    "William Alice"
).split()
FAMILY = (
    "Garcia Smith Müller Andersson Rossi Martin Nguyen Silva Johansson Schmidt Jones Dubois Berg Lind Novak "
    "Kowalski Jensen Hansen Weber Fischer Lopez Moreau Bianchi Okafor Mensah Tanaka Suzuki Holm Strand Dahl"
).split()
HEADS = (
    "Al Bar Cor Dan El Fal Gor Hal Jan Kar Lin Mar Nor Os Pel Ran Sal Tor Ul Ver Wal Zam Brun Stein".split()
)
MIDDLES = "a e i o u an er il or ens ing ov ber der mar".split()
TAILS = "sen son berg mann ez ini ski off quist gren well ford ton ley aux ier ova dahl strom haus".split()
WORDS = "sky blue river happy wild moon tiger coffee pixel retro lucky north solar velvet ninja".split()
PROVIDERS = "gmail.com outlook.com yahoo.com icloud.com web.de orange.fr libero.it hotmail.com".split()
COUNTRIES = "SE DE FR ES GB IT US NO".split()
CALLING = dict(zip(COUNTRIES, "+4670 +49151 +336 +346 +447 +393 +1415 +474".split(), strict=True))
ENDS = "stad burg ville ton o".split()
TWICE = 0.05
Handle = tuple[str, str, str]


@dataclass(frozen=True)
class Person:
    """One record, with handles as (network, id, as read)."""

    name: str
    city: str = ""
    country: str = ""
    company: str = ""
    birth_year: int | None = None
    handles: tuple[Handle, ...] = ()


@dataclass
class Made:
    """One record with its number and the number of the one it is a double of; 0 for none."""

    number: int
    person: Person
    double_of: int = 0


@dataclass
class _Town:
    """What all records are drawn from."""

    chance: Random
    cities: list[tuple[str, str]]
    families: list[str]
    taken: set[str] = field(default_factory=set)

    def mail(self, local: str) -> str:
        """An address that nobody has yet."""
        mail = f"{local}@{self.chance.choice(PROVIDERS)}"
        while mail in self.taken:
            mail = f"{local}{self.chance.randrange(10_000)}@{self.chance.choice(PROVIDERS)}"
        self.taken.add(mail)
        return mail

    def number(self, country: str) -> str:
        """A phone number that nobody has yet."""
        digits = ""
        while not digits or digits in self.taken:
            digits = f"{CALLING[country]}{self.chance.randrange(10**7):07d}"
        self.taken.add(digits)
        return digits


def customers(count: int, seed: int) -> Iterator[Made]:
    """So many records; a double follows the record it is a double of."""
    town = _town(Random(seed))
    number = 0
    while number < count:
        number += 1
        first = _person(town, number)
        yield Made(number, first)
        if town.chance.random() < TWICE and number < count:
            number += 1
            yield Made(number, _again(town, first, number), number - 1)


def _town(chance: Random) -> _Town:
    made = {chance.choice(HEADS) + chance.choice(MIDDLES) + chance.choice(TAILS) for _turn in range(40_000)}
    cities = [
        (f"{chance.choice(HEADS)}{chance.choice(MIDDLES)}{chance.choice(ENDS)}", chance.choice(COUNTRIES))
        for _turn in range(600)
    ]
    return _Town(chance, cities, FAMILY + sorted(made))


def _steep(chance: Random, values: list[str] | list[tuple[str, str]]) -> object:
    """One value; the first ones far more often."""
    return values[min(int(len(values) * chance.random() ** 3), len(values) - 1)]


def _person(town: _Town, number: int) -> Person:
    chance = town.chance
    given, family = str(_steep(chance, GIVEN)), str(_steep(chance, town.families))
    if chance.random() < 0.003:
        given, family = "Maria", "Garcia"
    city, country = _steep(chance, town.cities)  # type: ignore[misc]
    known = chance.random() < 0.7
    return Person(
        name=f"{given} {family}",
        city=city if known else "",
        country=country if known or chance.random() < 0.5 else "",
        company=f"{chance.choice(town.families)} {chance.choice(('AB', 'GmbH', 'Ltd', ''))}".strip()
        if chance.random() < 0.12
        else "",
        birth_year=chance.randrange(1940, 2008) if chance.random() < 0.5 else None,
        handles=_handles(town, given, family, country, number),
    )


def _handles(town: _Town, given: str, family: str, country: str, number: int) -> tuple[Handle, ...]:
    chance, found = town.chance, []
    local = _local(chance, given, family)
    if chance.random() < 0.75:
        mail = town.mail(local)
        found.append(("email", mail, mail))
    if chance.random() < 0.55:
        digits = town.number(country)
        found.append(("phone", digits, digits))
    if chance.random() < 0.4 or not found:
        found.append(("instagram", f"i{number}", f"@{local if chance.random() < 0.6 else _nick(chance)}"))
    return tuple(found)


def _local(chance: Random, given: str, family: str) -> str:
    draw, g, f = chance.random(), given.lower(), family.lower()
    if draw < 0.3:
        return f"{g}.{f}"
    if draw < 0.6:
        return f"{g}{chance.choice(('.', '_', ''))}{f}{chance.randrange(1940, 2010)}"
    return f"{g[0]}{f}{chance.randrange(10_000)}" if draw < 0.8 else _nick(chance)


def _nick(chance: Random) -> str:
    return f"{chance.choice(WORDS)}{chance.choice(WORDS)}{chance.randrange(100_000)}"


# Doubles


def _again(town: _Town, first: Person, number: int) -> Person:
    chance = town.chance
    return replace(
        first,
        name=_renamed(chance, first.name),
        city=first.city if chance.random() < 0.6 else "",
        country=first.country if chance.random() < 0.7 else "",
        company=first.company if chance.random() < 0.5 else "",
        birth_year=first.birth_year if chance.random() < 0.7 else None,
        handles=_other_handles(town, first, number),
    )


def _renamed(chance: Random, name: str) -> str:
    given, family = name.split(" ", 1)
    draw = chance.random()
    if draw < 0.45:
        return name
    if draw < 0.6:
        return f"{family}, {given}" if draw < 0.53 else f"{family} {given}"
    if draw < 0.75:
        return f"{given[0]}. {family}"
    return _misspelt(chance, name) if draw < 0.95 else given


def _misspelt(chance: Random, text: str) -> str:
    at = chance.randrange(1, len(text) - 1)
    kind = chance.randrange(3)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + chance.choice("aeinrst") + text[at:]


def _other_handles(town: _Town, first: Person, number: int) -> tuple[Handle, ...]:
    """Never the same address or number, which would have made one customer at once."""
    chance, found = town.chance, []
    for network, _key, read in first.handles:
        draw = chance.random()
        if network == "email" and draw < 0.7:
            local = read.partition("@")[0]
            mail = town.mail(local if draw < 0.55 else _misspelt(chance, local))
            found.append(("email", mail, mail))
        elif network == "phone" and draw < 0.5:
            digits = read[:-3] + read[-2] + read[-3] + read[-1] if draw < 0.25 else read
            found.append(("call", digits, digits))
        elif network == "instagram" and draw < 0.6:
            found.append(("tiktok", f"t{number}", read))
    given, family = first.name.split(" ", 1)
    return tuple(found) or _handles(town, given, family, first.country or "SE", number)
