"""Why two customers may be one: the values beside each other, and a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import product
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.linkage.levels import OTHER
from crm.linkage.normalizing import address_key, fold

SAYS_SOMETHING = 0.5
"""Bits: less says neither for nor against."""
HEAVIEST = 16.0
"""Bits that fill a bar."""
MOST_VALUES = 2

LABELS = {
    "name": gettext_lazy("Name"),
    "addresses": gettext_lazy("E-mail and handles"),
    "phones": gettext_lazy("Phone"),
    "domains": gettext_lazy("Domain"),
    "city": gettext_lazy("City"),
    "country": gettext_lazy("Country"),
    "company": gettext_lazy("Company"),
    "birth_year": gettext_lazy("Year of birth"),
}
_PHRASES = {
    ("name", "same"): gettext_lazy("the same name"),
    ("name", "typo"): gettext_lazy("names one letter apart"),
    ("name", "alike"): gettext_lazy("a similar name"),
    ("name", "initial"): gettext_lazy("the same family name and initial"),
    ("name", "part"): gettext_lazy("a name that holds the other"),
    ("name", "family"): gettext_lazy("one word of the name in common"),
    ("name", "given"): gettext_lazy("one word of the name in common"),
    ("name", "sound"): gettext_lazy("a name that sounds partly alike"),
    ("name", OTHER): gettext_lazy("the names differ"),
    ("addresses", "same"): gettext_lazy("the same e-mail"),
    ("addresses", "key"): gettext_lazy("the same handle or e-mail name"),
    ("addresses", "alike"): gettext_lazy("handles or e-mail names one letter apart"),
    ("addresses", "dated"): gettext_lazy("addresses made from the same name and digits"),
    ("addresses", "plain"): gettext_lazy("addresses made from the same name"),
    ("addresses", OTHER): gettext_lazy("the e-mails and handles differ"),
    ("phones", "same"): gettext_lazy("the same phone number"),
    ("phones", "end"): gettext_lazy("phone numbers that end alike"),
    ("phones", "typo"): gettext_lazy("phone numbers one digit apart"),
    ("phones", OTHER): gettext_lazy("the phone numbers differ"),
    ("domains", "same"): gettext_lazy("the same domain"),
    ("domains", OTHER): gettext_lazy("the domains differ"),
    ("city", "same"): gettext_lazy("the same city"),
    ("city", "alike"): gettext_lazy("cities spelled alike"),
    ("city", "part"): gettext_lazy("cities that share a word"),
    ("city", OTHER): gettext_lazy("the cities differ"),
    ("country", "same"): gettext_lazy("the same country"),
    ("country", OTHER): gettext_lazy("the countries differ"),
    ("company", "same"): gettext_lazy("the same company"),
    ("company", "alike"): gettext_lazy("companies spelled alike"),
    ("company", "part"): gettext_lazy("companies that share a word"),
    ("company", OTHER): gettext_lazy("the companies differ"),
    ("birth_year", "same"): gettext_lazy("the same year of birth"),
    ("birth_year", "near"): gettext_lazy("years of birth next to each other"),
    ("birth_year", OTHER): gettext_lazy("the years of birth differ"),
}
Entry = dict[str, Any]


def entries(
    left: Mapping[str, Any], right: Mapping[str, Any], found: Mapping[str, Sequence[Any]]
) -> list[Entry]:
    """The evidence as it is kept: of each field both values as written, the level and the weight in bits."""
    kept: list[Entry] = []
    for field, (level, bits) in found.items():
        one, other = _shown(field, left.get(field), right.get(field))
        kept.append({"field": field, "left": one, "right": other, "level": level, "weight": round(bits, 2)})
    return kept


def _shown(field: str, left: Any, right: Any) -> tuple[str, str]:
    if not isinstance(left, list | tuple) or not isinstance(right, list | tuple):
        return str(left or ""), str(right or "")
    pairs = sorted(product(left, right), key=lambda pair: -_likeness(field, *pair))
    if not pairs:
        return ", ".join(left[:MOST_VALUES]), ", ".join(right[:MOST_VALUES])
    return pairs[0]


def _likeness(field: str, left: str, right: str) -> float:
    one, other = fold(left), fold(right)
    whole = SequenceMatcher(None, one, other).ratio()
    if field != "addresses":
        return whole
    first, second = (address_key(text.lstrip("@").partition("@")[0]) for text in (one, other))
    return SequenceMatcher(None, first, second).ratio() + whole / 100


# For people


@dataclass(frozen=True)
class Clue:
    """One line of evidence as the page shows it; `side` is for, against or neither."""

    label: str
    left: str
    right: str
    verdict: str
    bits: float

    @property
    def side(self) -> str:
        if abs(self.bits) < SAYS_SOMETHING:
            return "neither"
        return "for" if self.bits > 0 else "against"

    @property
    def share(self) -> int:
        """How much of the bar it fills, in percent."""
        return max(4, min(100, round(100 * abs(self.bits) / HEAVIEST)))


def clues(evidence: Iterable[Entry]) -> list[Clue]:
    """The evidence line by line, what weighs most first."""
    ordered = sorted(evidence, key=lambda one: -abs(one["weight"]))
    return [
        Clue(
            str(LABELS.get(one["field"], one["field"])),
            one["left"],
            one["right"],
            str(_PHRASES.get((one["field"], one["level"]), one["level"])),
            float(one["weight"]),
        )
        for one in ordered
    ]


def sentence(evidence: Iterable[Entry]) -> str:
    """What agrees and what differs, as one would say it."""
    found = clues(evidence)
    agree = list(dict.fromkeys(one.verdict for one in found if one.side == "for"))[:3]
    differ = list(dict.fromkeys(one.verdict for one in found if one.side == "against"))[:2]
    if not agree:
        return capfirst(_listed(differ)) + "." if differ else ""
    if not differ:
        return capfirst(_listed(agree)) + "."
    return _("%(agree)s; %(differ)s.") % {"agree": capfirst(_listed(agree)), "differ": _listed(differ)}


def _listed(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return _("%(several)s and %(last)s") % {"several": ", ".join(parts[:-1]), "last": parts[-1]}


def in_words(probability: float) -> str:
    """How likely, for people."""
    if probability >= 0.999:
        return _("Almost certainly one")
    if probability >= 0.98:
        return _("Very likely one")
    if probability >= 0.9:
        return _("Likely one")
    return _("Perhaps one")
