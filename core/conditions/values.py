"""Reading what was typed beside an operator: JSON in, a checked Python value out.

Each reader takes (raw, field, choosing) and raises ValueError with a message that says what to type.
"""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from core.conditions.fields import Choosing, Dimension, Field, Value
from core.conditions.operators import Input

MAX_TEXT = 200
MAX_LIST = 100
MAX_DAYS = 36_500
MAX_NUMBER = Decimal(10) ** 15
MAX_ID = 2**63 - 1
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(9998, 12, 31)


def read_nothing(raw: Any, field: Field, choosing: Choosing) -> None:
    """Operators such as `known` take no value."""
    if raw is not None:
        raise ValueError("Leave the value out: this comparison needs none.")


def read_number(raw: Any, field: Field, choosing: Choosing) -> Decimal:
    """A JSON number; text that looks like one is refused."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise ValueError("Type a number, such as 3 or 12.5.")
    number = Decimal(str(raw))
    if not number.is_finite() or abs(number) > MAX_NUMBER:
        raise ValueError("Type a number between -1,000,000,000,000,000 and 1,000,000,000,000,000.")
    return number


def read_number_range(raw: Any, field: Field, choosing: Choosing) -> tuple[Decimal, Decimal]:
    """Two numbers, the smaller first."""
    if not isinstance(raw, list) or len(raw) != 2:
        raise ValueError("Type two numbers, such as [1, 5].")
    low, high = (read_number(item, field, choosing) for item in raw)
    if low > high:
        raise ValueError("Type the smaller number first.")
    return low, high


def read_whole(raw: Any, *, low: int, high: int, what: str) -> int:
    """A whole number within bounds."""
    if isinstance(raw, bool) or not isinstance(raw, int) or not low <= raw <= high:
        raise ValueError(f"Type {what} as a whole number from {low:,} to {high:,}.")
    return raw


def read_days(raw: Any, field: Field, choosing: Choosing) -> int:
    """A number of days."""
    return read_whole(raw, low=1, high=MAX_DAYS, what="the days")


def read_text(raw: Any, field: Field | Dimension, choosing: Choosing) -> str:
    """Some text that PostgreSQL can hold."""
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError("Type some text.")
    if len(raw) > MAX_TEXT:
        raise ValueError(f"Type at most {MAX_TEXT} characters.")
    if "\x00" in raw or any("\ud800" <= letter <= "\udfff" for letter in raw):
        raise ValueError("Remove the characters that are not text.")
    return raw


def read_date(raw: Any, field: Field, choosing: Choosing) -> date:
    """A day as YYYY-MM-DD, in the workspace's zone."""
    problem = "Type a date as YYYY-MM-DD, such as 2026-03-31."
    if not isinstance(raw, str) or len(raw) != 10:
        raise ValueError(problem)
    try:
        day = date.fromisoformat(raw)
    except ValueError:
        raise ValueError(problem) from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"Type a date from {FIRST_DAY.year} to {LAST_DAY.year}.")
    return day


def read_date_range(raw: Any, field: Field, choosing: Choosing) -> tuple[date, date]:
    """Two days, the earlier first; both belong to the range."""
    if not isinstance(raw, list) or len(raw) != 2:
        raise ValueError('Type two dates, such as ["2026-01-01", "2026-03-31"].')
    low, high = (read_date(item, field, choosing) for item in raw)
    if low > high:
        raise ValueError("Type the earlier date first.")
    return low, high


def read_choice(raw: Any, field: Field | Dimension, choosing: Choosing) -> Value:
    """One of the field's choices; where it has no list, any text or id."""
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        raise ValueError("Choose one value.")
    labels = choosing.labels(field)
    if labels is None:
        return _open_choice(raw, field, choosing)
    for value in labels:
        if str(value) == str(raw):
            return value
    raise ValueError(f"Choose one of: {_some(list(labels.values()))}.")


def _open_choice(raw: Value, field: Field | Dimension, choosing: Choosing) -> Value:
    if isinstance(raw, str):
        return read_text(raw, field, choosing)
    return read_whole(raw, low=0, high=MAX_ID, what="the id")


def _some(labels: list[str], most: int = 8) -> str:
    if not labels:
        return "nothing, as there is none yet"
    return ", ".join(labels[:most]) + (f" and {len(labels) - most} more" if len(labels) > most else "")


def read_texts(raw: Any, field: Field, choosing: Choosing) -> tuple[str, ...]:
    """Up to a hundred texts."""
    return tuple(read_text(item, field, choosing) for item in read_list(raw))


def read_choices(raw: Any, field: Field | Dimension, choosing: Choosing) -> tuple[Value, ...]:
    """Up to a hundred choices; a single one may stand without brackets."""
    items = raw if isinstance(raw, list) else [raw]
    return tuple(dict.fromkeys(read_choice(item, field, choosing) for item in read_list(items)))


def read_list(raw: Any) -> list[Any]:
    """A list that is neither empty nor endless."""
    if not isinstance(raw, list) or not raw:
        raise ValueError("Give a list with at least one value.")
    if len(raw) > MAX_LIST:
        raise ValueError(f"Give at most {MAX_LIST} values.")
    return raw


def read_consent(raw: Any, field: Field, choosing: Choosing) -> dict[str, Value | None]:
    """What the consent is about: one value for each dimension, those that are not required may lack."""
    names = {d.name for d in field.dimensions}
    if not isinstance(raw, dict) or not set(raw) <= names:
        raise ValueError(f"Give an object with {' and '.join(d.name for d in field.dimensions)}.")
    found: dict[str, Value | None] = {}
    for dimension in field.dimensions:
        given = raw.get(dimension.name)
        if given is None and dimension.required:
            raise ValueError(f"Choose a {dimension.label.lower()}.")
        found[dimension.name] = None if given is None else read_choice(given, dimension, choosing)
    return found


READERS: Mapping[Input, Callable[[Any, Any, Choosing], Any]] = MappingProxyType(
    {
        Input.NONE: read_nothing,
        Input.NUMBER: read_number,
        Input.NUMBER_RANGE: read_number_range,
        Input.TEXT: read_text,
        Input.TEXTS: read_texts,
        Input.DATE: read_date,
        Input.DATE_RANGE: read_date_range,
        Input.DAYS: read_days,
        Input.CHOICE: read_choice,
        Input.CHOICES: read_choices,
        Input.CONSENT: read_consent,
    }
)
