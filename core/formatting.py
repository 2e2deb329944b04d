"""How numbers, money, times and names are written for people."""

from __future__ import annotations

import math
import zlib
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

TONES = 6
MINUTE, HOUR, DAY = 60, 3600, 86400
SYMBOLS = {
    "AUD": "A$", "BRL": "R$", "CAD": "C$", "CNY": "CN¥", "EUR": "€", "GBP": "£", "INR": "₹", "JPY": "¥",
    "KRW": "₩", "MXN": "MX$", "NGN": "₦", "NZD": "NZ$", "PLN": "zł", "TRY": "₺", "UAH": "₴", "USD": "$",
}  # fmt: skip
WITHOUT_CENTS = frozenset({"CLP", "ISK", "JPY", "KRW", "VND"})
# Compound scores this near to zero are neutral: the limits that VADER's authors give.
NEUTRAL_BELOW = 0.05
MOODS = ("positive", "neutral", "negative")


def number(value: Any, decimals: int = 0) -> str:
    """12480 as 12,480; '' for nothing."""
    if value is None or value == "":
        return ""
    if isinstance(value, float | Decimal) and math.isfinite(value):
        # Django cuts digits off: 45.9 would read as 45.
        value = round(value, decimals)
    return str(number_format(value, decimals, use_l10n=True, force_grouping=True))


def capped(value: int | None, limit: int = 99) -> str:
    """A count that was only taken up to a limit: 99+ beyond it."""
    if value is None:
        return ""
    return f"{number(limit)}+" if value > limit else number(value)


def money(amount: Any, currency: str) -> str:
    """€430, €12.90, CHF 1,204: cents only where there are some and the sum is under a thousand."""
    try:
        exact = Decimal(str(amount))
    except InvalidOperation:
        return ""
    whole = currency in WITHOUT_CENTS or abs(exact) >= 1000 or exact == exact.to_integral_value()
    rounded = exact.quantize(Decimal(1) if whole else Decimal("0.01"), rounding=ROUND_HALF_UP)
    text = number(abs(rounded), 0 if whole else 2)
    symbol = SYMBOLS.get(currency, f"{currency} " if currency else "")
    return f"{'−' if rounded < 0 else ''}{symbol}{text}"


def percent(part: float | None, whole: float | None = None) -> str:
    """81% from 0.81, or from 253 and 312; a dash where there is no base."""
    if part is None or (whole is not None and not whole):
        return "–"
    share = part if whole is None else part / whole
    return f"{number(Decimal(str(share * 100)).quantize(Decimal(1), rounding=ROUND_HALF_UP))}%"


def duration(seconds: float | None) -> str:
    """45 s, 12 min, 2 h 40 min, 3 d 4 h: two units at most."""
    if seconds is None:
        return "–"
    left = abs(int(seconds))
    if left < MINUTE:
        return _("%(n)s s") % {"n": left}
    if left < HOUR:
        return _("%(n)s min") % {"n": left // MINUTE}
    if left < DAY:
        return _two(_("%(n)s h") % {"n": left // HOUR}, left % HOUR // MINUTE, _("%(n)s min"))
    return _two(_("%(n)s d") % {"n": number(left // DAY)}, left % DAY // HOUR, _("%(n)s h"))


def _two(first: str, rest: int, unit: str) -> str:
    return f"{first} {unit % {'n': rest}}" if rest else first


def age(value: datetime | date | None, now: datetime | None = None) -> str:
    """How long ago, as short as a list wants it: now, 21 min, 5 h, Wed, 12 Oct, 12 Oct 2024."""
    if value is None:
        return ""
    now = now or timezone.now()
    moment = _moment(value)
    seconds = (now - moment).total_seconds()
    if 0 <= seconds < MINUTE:
        return _("now")
    if 0 <= seconds < DAY and isinstance(value, datetime):
        return duration(seconds - seconds % (MINUTE if seconds < HOUR else HOUR))
    local, today = timezone.localtime(moment), timezone.localtime(now)
    if 0 <= (today.date() - local.date()).days < 7:
        return date_format(local, "D")
    return date_format(local, "j M" if local.year == today.year else "j M Y")


def _moment(value: datetime | date) -> datetime:
    if isinstance(value, datetime):
        return value if timezone.is_aware(value) else value.replace(tzinfo=UTC)
    return timezone.make_aware(datetime(value.year, value.month, value.day))


def moment(value: datetime | None) -> str:
    """A time in full, in the reader's zone: Wednesday 18 November 2026, 09:41."""
    return date_format(timezone.localtime(value), "l j F Y, H:i") if value else ""


def initials(name: str) -> str:
    """MQ for Marisol Quintero, C for Cher, ? for nobody."""
    words = [word for word in name.replace("@", " ").replace(".", " ").split() if word[0].isalnum()]
    if not words:
        return "?"
    ends = words if len(words) == 1 else [words[0], words[-1]]
    return "".join(word[0] for word in ends).upper()


def tone(key: Any) -> int:
    """A color from 1 to 6 that stays with a person."""
    if isinstance(key, int):
        return key % TONES + 1
    return zlib.crc32(str(key).encode()) % TONES + 1


def mood(sentiment: Any) -> str:
    """positive, neutral or negative, from that word or from a score of -1 to 1; '' when nothing was read."""
    if sentiment is None or sentiment == "":
        return ""
    if sentiment in MOODS:
        return str(sentiment)
    score = float(sentiment)
    if abs(score) < NEUTRAL_BELOW:
        return "neutral"
    return "positive" if score > 0 else "negative"
