"""The plain-English sentence of a rule, and the clause of each condition.

Within this module what a reader should see first is enclosed by private characters, which nothing that
people type keeps: `sentence` drops them, and `parts` turns them into pieces with a tone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from core.conditions.fields import Choosing, Dimension, Field, FieldSet, Verb
from core.conditions.operators import NEGATIVES, FieldType
from core.conditions.tree import Condition, Group, Leaf, Node, Not, Occurrence

COUNTED = re.compile(r"\{\} (\w+)s\b")
"""What a phrase counts, of which one alone has no s: "with {} orders"."""
NUMBERS = {
    "gte": "at least {}",
    "lte": "at most {}",
    "gt": "more than {}",
    "lt": "less than {}",
    "eq": "exactly {}",
    "neq": "other than {}",
    "between": "between {} and {}",
}
DATES = {
    "before": "before {}",
    "after": "after {}",
    "between": "between {} and {}",
    "in_last_days": "in the last {}",
    "not_in_last_days": "not in the last {}",
    "more_than_days_ago": "more than {} ago",
    "in_next_days": "in the next {}",
}
TEXTS = {
    "is": "is {}",
    "one_of": "is {}",
    "is_not": "is not {}",
    "none_of": "is not {}",
    "contains": "contains {}",
    "not_contains": "does not contain {}",
    "starts_with": "starts with {}",
}


_START, _END, _OUT = "\ue000", "\ue001", "\ue002"
_MARKS = str.maketrans("", "", _START + _END + _OUT)
LEFT_OUT = f"{_OUT}; leaving out "


@dataclass(frozen=True)
class Part:
    """A piece of a sentence. `tone`: "" for words between, "value" for what was chosen, "out" if omitted."""

    text: str
    tone: str = ""


def sentence(node: Node, fieldset: FieldSet) -> str:
    """One sentence that says whom the rule finds."""
    return Wording(fieldset).sentence(node)


def parts(node: Node, fieldset: FieldSet) -> list[Part]:
    """The same sentence in pieces, for a page that shows some of them in another tone."""
    marked = Wording(fieldset).marked(node)
    kept, out, left = marked.partition(LEFT_OUT)
    found = _pieces(kept, "value")
    if out:
        found += [Part("; "), Part("leaving out", "out"), Part(" "), *_pieces(left, "out")]
    return found


def _pieces(marked: str, tone: str) -> list[Part]:
    pieces = []
    for place, text in enumerate(marked.replace(_END, _START).split(_START)):
        if text:
            pieces.append(Part(text, tone if place % 2 else ""))
    return pieces


def plain(marked: str) -> str:
    """Without the marks; what people typed carries none either."""
    return marked.translate(_MARKS)


def _strong(text: str) -> str:
    return f"{_START}{plain(text)}{_END}" if text else text


def listed(items: Sequence[str], word: str) -> str:
    """'a', 'a or b', 'a, b or c'."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


class Wording:
    """Turns trees of one field set into English; reads each list of choices once."""

    def __init__(self, fieldset: FieldSet) -> None:
        self.fieldset = fieldset
        self.choosing = Choosing()

    def sentence(self, node: Node) -> str:
        """The whole sentence as text."""
        return plain(self.marked(node))

    def text(self, node: Node) -> str:
        """The clause of one node as text."""
        return plain(self.clause(node))

    def marked(self, node: Node) -> str:
        """The whole sentence with its marks."""
        if isinstance(node, Group) and node.joined == "any":
            return f"{self.fieldset.noun} {listed([self.clause(c) for c in node.children], 'or')}."
        parts = node.children if isinstance(node, Group) else (node,)
        plain = [self.clause(c) for c in parts if isinstance(c, Condition | Occurrence)]
        groups = [self._group(c) for c in parts if isinstance(c, Group)]
        out = [those for c in parts if isinstance(c, Not) for those in self._left_out(c)]
        told = ", and ".join(([listed(plain, "and")] if plain else []) + groups)
        noun = self.fieldset.noun
        start = f"{noun} {told}" if told else f"All {noun.lower()}"
        return start + (f"{LEFT_OUT}{listed(out, 'or')}" if out else "") + "."

    def _left_out(self, node: Not) -> list[str]:
        if isinstance(node.child, Group) and node.child.joined == "any":
            return [f"those {self.clause(child)}" for child in node.child.children]
        if isinstance(node.child, Group):
            return [f"those {self._group(node.child)}"]
        return [f"those {self.clause(node.child)}"]

    def _group(self, node: Group) -> str:
        clauses = [self.clause(child) for child in node.children]
        if len(clauses) == 1:
            return clauses[0]
        if node.joined == "any":
            return f"either {listed(clauses, 'or')}"
        return f"{'both ' if len(clauses) == 2 else ''}{listed(clauses, 'and')}"

    def clause(self, node: Node) -> str:
        """What follows the noun: 'with at least 3 orders', '(either … or …)'."""
        if isinstance(node, Group):
            told = self._group(node)
            return told if len(node.children) == 1 else f"({told})"
        if isinstance(node, Not):
            inner = self.clause(node.child)
            return f"not {inner}" if inner.startswith("(") else f"not ({inner})"
        return self.leaf(node)

    def leaf(self, leaf: Leaf) -> str:
        if isinstance(leaf, Occurrence):
            return self._occurrence(leaf)
        if leaf.op in ("known", "unknown"):
            return f"whose {lowered(leaf.field.label)} is {_strong(leaf.op)}"
        kind = leaf.field.type
        if kind in (FieldType.NUMBER, FieldType.MONEY):
            return self._filled(leaf, NUMBERS[leaf.op].format(*self._amounts(leaf)))
        if kind in (FieldType.DATE, FieldType.DATETIME):
            return self._filled(leaf, DATES[leaf.op].format(*_date_words(leaf.value)))
        special = {
            FieldType.TEXT: self._text,
            FieldType.CHOICE: self._text,
            FieldType.FLAG: self._flag,
            FieldType.TAG: self._tag,
            FieldType.CONSENT: self._consent,
            FieldType.MEMBERSHIP: self._membership,
        }
        return special[kind](leaf)

    def _filled(self, leaf: Condition, told: str) -> str:
        if leaf.field.phrase:
            phrase = leaf.field.phrase
            if leaf.value == 1:
                phrase = COUNTED.sub(r"{} \1", phrase, count=1)
            return phrase.replace("{}", _strong(told))
        return f"whose {lowered(leaf.field.label)} is {_strong(told)}"

    def _amounts(self, leaf: Condition) -> list[str]:
        unit = leaf.field.unit_now()
        beside = unit if unit in ("", "%") else f" {unit}"
        return [number_words(v) + beside for v in _many(leaf.value)]

    def _labels(self, item: Field | Dimension, values: Any) -> list[str]:
        return [plain(self.choosing.label(item, value)) for value in _many(values)]

    def _text(self, leaf: Condition) -> str:
        chosen = self._labels(leaf.field, leaf.value)
        if leaf.field.type is FieldType.TEXT:
            chosen = [f"“{text}”" for text in chosen]
        told = _strong(listed(chosen, "or"))
        if leaf.field.phrase and leaf.op in ("is", "one_of"):
            return leaf.field.phrase.replace("{}", told)
        return f"whose {lowered(leaf.field.label)} {TEXTS[leaf.op].format(told)}"

    def _flag(self, leaf: Condition) -> str:
        if not leaf.field.phrase:
            return f"whose “{lowered(leaf.field.label)}” is {_strong(leaf.op)}"
        told = _strong(leaf.field.phrase)
        return told if leaf.op == "yes" else f"not {told}"

    def _tag(self, leaf: Condition) -> str:
        label, tags = lowered(leaf.field.label), self._labels(leaf.field, leaf.value)
        word = "without" if leaf.op in NEGATIVES else "with"
        return f"{word} the {label} {_strong(listed(tags, 'and' if leaf.op == 'has_all' else 'or'))}"

    def _membership(self, leaf: Condition) -> str:
        word = "not in" if leaf.op in NEGATIVES else "in"
        names = listed(self._labels(leaf.field, leaf.value), "or")
        return f"{word} the {lowered(leaf.field.label)} {_strong(names)}"

    def _consent(self, leaf: Condition) -> str:
        verb = {"given": "gave", "refused": "refused", "never_asked": "were never asked for"}[leaf.op]
        told = [
            self._dimension(d, (leaf.value[d.name],)) for d in leaf.field.dimensions if leaf.value[d.name]
        ]
        return f"{self.fieldset.pronoun} {_strong(' '.join([verb, lowered(leaf.field.label), *told]))}"

    def _dimension(self, dimension: Dimension, values: Sequence[Any]) -> str:
        told = listed(self._labels(dimension, values), "or")
        return dimension.phrase.replace("{}", told) if dimension.phrase else lowered(told)

    def _occurrence(self, leaf: Occurrence) -> str:
        window = "" if leaf.days is None else f" in the last {days_words(leaf.days)}"
        if leaf.source.verb:
            return self._verb(leaf, leaf.source.verb, window)
        chosen = [(leaf.source.dimension(name), values) for name, values in leaf.where]
        before = [self._dimension(d, v) for d, v in chosen if d and not d.phrase]
        after = [self._dimension(d, v) for d, v in chosen if d and d.phrase]
        none = leaf.count == 0 and leaf.op != "at_least"
        amount = "no" if none else f"{leaf.op.replace('_', ' ')} {leaf.count:,}"
        noun = leaf.source.noun[0 if leaf.count == 1 else 1]
        return f"with {_strong(' '.join([amount, *before, noun, *after]) + window)}"

    def _verb(self, leaf: Occurrence, verb: Verb, window: str) -> str:
        labels = {
            name: tuple(self._labels(dimension, values))
            for name, values in leaf.where
            if (dimension := leaf.source.dimension(name))
        }
        did = verb(labels)
        pronoun = leaf.source.pronoun or self.fieldset.pronoun
        if leaf.count == 0 and leaf.op != "at_least":
            return f"{pronoun} {_strong(f'never {did}{window}')}"
        told = f"{did} {leaf.op.replace('_', ' ')} {times_words(leaf.count)}{window}"
        return f"{pronoun} {_strong(told)}"


def lowered(label: str) -> str:
    """A label within a sentence; abbreviations keep their capitals."""
    label = plain(label)
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def number_words(number: Decimal | int) -> str:
    """1,234.5: no more decimals than were typed."""
    text = f"{number:,f}" if isinstance(number, Decimal) else f"{number:,}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def times_words(count: int) -> str:
    """once, twice, 3 times."""
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def days_words(days: int) -> str:
    """1 day, 90 days."""
    return "1 day" if days == 1 else f"{days:,} days"


def day_words(day: date) -> str:
    """1 March 2026."""
    return f"{day.day} {day:%B} {day.year}"


def _date_words(value: Any) -> list[str]:
    return [day_words(item) if isinstance(item, date) else days_words(item) for item in _many(value)]


def _many(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
