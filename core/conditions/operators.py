"""What can be asked of a field of each type, and what has to be typed in for it.

Unknown values: a condition holds only where the value is known and fits. Each negative operator
(`is_not`, `neq`, `not_contains`, `none_of`, `not_in_last_days`, `has_none`, `not_in`, `unknown`)
is the exact complement of its positive one, so it holds for unknown values too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class FieldType(StrEnum):
    """Kinds of fields; the compiler knows one set of operators for each."""

    NUMBER = "number"
    MONEY = "money"
    TEXT = "text"
    CHOICE = "choice"
    FLAG = "flag"
    DATE = "date"
    DATETIME = "datetime"
    TAG = "tag"
    CONSENT = "consent"
    MEMBERSHIP = "membership"


class Input(StrEnum):
    """What the builder shows beside an operator; `value` has this shape."""

    NONE = "none"
    NUMBER = "number"
    NUMBER_RANGE = "number_range"
    TEXT = "text"
    TEXTS = "texts"
    DATE = "date"
    DATE_RANGE = "date_range"
    DAYS = "days"
    CHOICE = "choice"
    CHOICES = "choices"
    CONSENT = "consent"


@dataclass(frozen=True)
class Operator:
    """One comparison: its name in the rule, its label in the builder and the input it takes."""

    name: str
    label: str
    input: Input


KNOWN = Operator("known", "is known", Input.NONE)
UNKNOWN = Operator("unknown", "is unknown", Input.NONE)

_NUMBER = (
    Operator("gte", "at least", Input.NUMBER),
    Operator("lte", "at most", Input.NUMBER),
    Operator("gt", "more than", Input.NUMBER),
    Operator("lt", "less than", Input.NUMBER),
    Operator("eq", "exactly", Input.NUMBER),
    Operator("neq", "not", Input.NUMBER),
    Operator("between", "between", Input.NUMBER_RANGE),
    KNOWN,
    UNKNOWN,
)
_DATE = (
    Operator("in_last_days", "in the last … days", Input.DAYS),
    Operator("not_in_last_days", "not in the last … days", Input.DAYS),
    Operator("more_than_days_ago", "more than … days ago", Input.DAYS),
    Operator("in_next_days", "in the next … days", Input.DAYS),
    Operator("before", "before", Input.DATE),
    Operator("after", "after", Input.DATE),
    Operator("between", "between", Input.DATE_RANGE),
    KNOWN,
    UNKNOWN,
)

OPERATORS: Mapping[FieldType, tuple[Operator, ...]] = MappingProxyType(
    {
        FieldType.NUMBER: _NUMBER,
        FieldType.MONEY: _NUMBER,
        FieldType.TEXT: (
            Operator("is", "is", Input.TEXT),
            Operator("is_not", "is not", Input.TEXT),
            Operator("contains", "contains", Input.TEXT),
            Operator("not_contains", "does not contain", Input.TEXT),
            Operator("starts_with", "starts with", Input.TEXT),
            Operator("one_of", "is one of", Input.TEXTS),
            KNOWN,
            UNKNOWN,
        ),
        FieldType.CHOICE: (
            Operator("is", "is", Input.CHOICE),
            Operator("is_not", "is not", Input.CHOICE),
            Operator("one_of", "is one of", Input.CHOICES),
            Operator("none_of", "is none of", Input.CHOICES),
            KNOWN,
            UNKNOWN,
        ),
        FieldType.FLAG: (Operator("yes", "yes", Input.NONE), Operator("no", "no", Input.NONE)),
        FieldType.DATE: _DATE,
        FieldType.DATETIME: _DATE,
        FieldType.TAG: (
            Operator("has", "has", Input.CHOICE),
            Operator("has_any", "has any of", Input.CHOICES),
            Operator("has_all", "has all of", Input.CHOICES),
            Operator("has_none", "has none of", Input.CHOICES),
        ),
        FieldType.CONSENT: (
            Operator("given", "given", Input.CONSENT),
            Operator("refused", "refused", Input.CONSENT),
            Operator("never_asked", "never asked", Input.CONSENT),
        ),
        FieldType.MEMBERSHIP: (
            Operator("in", "is in", Input.CHOICES),
            Operator("not_in", "is not in", Input.CHOICES),
        ),
    }
)

NEGATIVES: Mapping[str, str] = MappingProxyType(
    {
        "neq": "eq",
        "is_not": "is",
        "not_contains": "contains",
        "none_of": "one_of",
        "not_in_last_days": "in_last_days",
        "has_none": "has_any",
        "not_in": "in",
        "unknown": "known",
    }
)

EVENT_OPERATORS: Mapping[str, str] = MappingProxyType(
    {"at_least": "at least", "at_most": "at most", "exactly": "exactly"}
)
