"""How Twilio counts a text message: GSM-7 where every letter is in that alphabet, else UCS-2.

Source: 3GPP TS 23.038 (the alphabet and its extension), Twilio's limit of 1,600 for one message.
"""

from __future__ import annotations

MOST = 1600
BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("\f^{}\\[~]|€")


def is_gsm(text: str) -> bool:
    """Whether the text goes in GSM-7; one other letter makes all of it UCS-2."""
    return all(letter in BASIC or letter in EXTENDED for letter in text)


def units(text: str) -> int:
    """Length in what segments are filled with: septets of GSM-7, or UTF-16 units."""
    if is_gsm(text):
        return len(text) + sum(letter in EXTENDED for letter in text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def segments(text: str) -> int:
    """How many messages are charged: 160 or 153 septets each, 70 or 67 units of UCS-2."""
    single, several = (160, 153) if is_gsm(text) else (70, 67)
    length = units(text)
    return 1 if length <= single else -(-length // several)
