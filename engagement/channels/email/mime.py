"""A mail as bytes, read into plain values. Nothing a sender writes makes this fail but a missing sender."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import collapse_rfc2231_value, getaddresses, parsedate_to_datetime
from hashlib import sha256

from core.text import clean_text
from engagement.channels.base import File

MAX_PARTS = 300
MAX_TEXT = 5_000_000
MAX_ID = 300
MAX_REFERENCES = 30
MAX_PEOPLE = 50
MAX_LOOSE = 2_000
BRACKETED = re.compile(r"<\s*([^<>\s]+)\s*>")
ADDRESS = re.compile(r"[^@\s<>\"(),;:\[\]]+@[^@\s<>\"(),;:\[\]]+")
ENCODED_WORD = re.compile(r"=\?[^?]+\?[bBqQ]\?[^?]*\?=")
FOLD = re.compile(r"\r?\n[ \t]*")


class NotAMail(ValueError):
    """Bytes that cannot be understood as a mail; the text says why."""


@dataclass(frozen=True)
class Address:
    """An address in lower case, and the name beside it."""

    email: str
    name: str = ""


@dataclass(frozen=True)
class Mail:
    """What one mail says. Ids stand without their brackets."""

    external_id: str
    message_id: str
    sender: Address
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    delivered_to: tuple[Address, ...]
    subject: str
    date: datetime | None
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    text: str
    html: str
    files: tuple[File, ...]
    message: Message = field(repr=False)

    def header(self, name: str) -> str:
        """A header as people read it, '' where it is absent."""
        return header_text(self.message, name)


@dataclass
class _Body:
    texts: list[str] = field(default_factory=list)
    htmls: list[str] = field(default_factory=list)
    files: list[File] = field(default_factory=list)


def read_mail(raw: bytes, *, max_file: int, cut: int = 0) -> Mail:
    """Read a mail.

    `max_file` is the size in bytes over which an attachment is left out with a note. `cut` is the whole size
    of a mail of which `raw` is only the beginning; its last file is then left out. Raises NotAMail.
    """
    message = _parsed(raw)
    sender = sender_of(message)
    message_id = first_id(header_text(message, "Message-ID"))
    body = _read_body(message, max_file, cut)
    return Mail(
        external_id=message_id or f"sha256:{sha256(raw).hexdigest()}",
        message_id=message_id,
        sender=sender,
        reply_to=addresses_of(message, "Reply-To"),
        to=addresses_of(message, "To"),
        cc=addresses_of(message, "Cc"),
        delivered_to=addresses_of(message, "Delivered-To", "X-Original-To", "Envelope-To"),
        subject=header_text(message, "Subject")[:1000],
        date=date_of(message),
        in_reply_to=tuple(ids_in(header_text(message, "In-Reply-To"))),
        references=tuple(ids_in(header_text(message, "References"))[-MAX_REFERENCES:]),
        text=clean_text("\n".join(body.texts), limit=MAX_TEXT),
        html=clean_text("\n".join(body.htmls), limit=MAX_TEXT),
        files=tuple(body.files),
        message=message,
    )


def _parsed(raw: bytes) -> Message:
    try:
        return message_from_bytes(raw, policy=policy.compat32)
    except RecursionError:
        raise NotAMail("The mail's parts are nested too deeply.") from None


# Headers


def header_text(message: Message, name: str) -> str:
    """One header decoded, its lines joined; broken encodings are read with replacement."""
    wanted = name.lower()
    for key, value in message.raw_items():
        if key.lower() == wanted:
            return decoded(str(value))
    return ""


def decoded(value: str) -> str:
    """A header's value as text: raw bytes, folded lines and encoded words resolved."""
    plain = FOLD.sub(" ", raw_text(value)).strip()
    if ENCODED_WORD.search(plain):
        with suppress(HeaderParseError, ValueError):
            plain = "".join(
                decode_bytes(part, charset or "") if isinstance(part, bytes) else part
                for part, charset in decode_header(plain)
            )
    return clean_text(plain, limit=100_000).replace("\n", " ").strip()


def raw_text(value: str) -> str:
    """A header that holds bytes beyond ASCII, as the parser kept them, in the likeliest charset."""
    if value.isascii():
        return value
    return decode_bytes(value.encode("utf-8", "surrogateescape"), "")


def first_id(value: str) -> str:
    """The first Message-ID of a header, '' for none."""
    found = ids_in(value)
    return found[0] if found else ""


def ids_in(value: str) -> list[str]:
    """Message-IDs of a header, without brackets, each once; a very long one by its hash."""
    found = BRACKETED.findall(value) or [word for word in value.split() if "@" in word]
    return list(dict.fromkeys(_short(one.strip("<>,;")) for one in found))


def _short(message_id: str) -> str:
    return message_id if len(message_id) <= MAX_ID else f"long:{sha256(message_id.encode()).hexdigest()}"


def addresses_of(message: Message, *names: str) -> tuple[Address, ...]:
    """The addresses of these headers, each once, at most fifty."""
    wanted = {name.lower() for name in names}
    values = [
        FOLD.sub(" ", raw_text(str(value))) for key, value in message.raw_items() if key.lower() in wanted
    ]
    found: dict[str, Address] = {}
    for name, email in getaddresses(values):
        address = email.strip().lower()
        if ADDRESS.fullmatch(address) and len(address) <= 320:
            found.setdefault(address, Address(address, decoded(name)[:200]))
    return tuple(found.values())[:MAX_PEOPLE]


def sender_of(message: Message) -> Address:
    """Who wrote it, by From, else Sender, else Return-Path, else any address in From."""
    for name in ("From", "Sender", "Return-Path"):
        if found := addresses_of(message, name):
            return found[0]
    loose = ADDRESS.search(header_text(message, "From")[:MAX_LOOSE])
    if loose:
        return Address(loose[0].lower())
    raise NotAMail("The mail names no sender.")


def date_of(message: Message) -> datetime | None:
    """The sender's own date in UTC, None where it cannot be read."""
    try:
        found = parsedate_to_datetime(header_text(message, "Date"))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


# Body


def _read_body(message: Message, max_file: int, cut: int) -> _Body:
    body = _Body()
    parts = list(_leaves(message))
    for position, part in enumerate(parts):
        if kind := _body_kind(part):
            text = decode_bytes(_payload(part), _charset(part))
            (body.texts if kind == "text/plain" else body.htmls).append(text)
        elif (file := _file(part, max_file, cut if position == len(parts) - 1 else 0)) is not None:
            body.files.append(file)
    return body


def _leaves(message: Message) -> Iterator[Message]:
    """The parts that are no containers, in order; an attached mail is one part."""
    waiting, seen = [message], 0
    while waiting and seen < MAX_PARTS:
        part = waiting.pop()
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            waiting.extend(reversed(_children(part)))
        else:
            seen += 1
            yield part


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _body_kind(part: Message) -> str:
    """text/plain or text/html for a part that is shown as the mail itself."""
    kind = part.get_content_type()
    if kind not in ("text/plain", "text/html"):
        return ""
    is_file = _disposition(part) == "attachment" or bool(_file_name(part))
    return "" if is_file else kind


def _disposition(part: Message) -> str:
    return str(part.get("Content-Disposition", "")).partition(";")[0].strip().lower()


def _file(part: Message, max_file: int, cut: int) -> File | None:
    content = _payload(part)
    name = _file_name(part) or _default_name(part)
    content_type = part.get_content_type()
    content_id = decoded(str(part.get("Content-ID", ""))).strip("<> ")[:200]
    if cut:
        note = f"Not fetched: the mail has {megabytes(cut)}."
        return File(name, content_type, content_id=content_id, note=note)
    if len(content) > max_file:
        note = f"Not kept: {megabytes(len(content))}, more than {megabytes(max_file)}."
        return File(name, content_type, size=len(content), content_id=content_id, note=note)
    if not content and content_type.startswith("multipart/"):
        return None
    return File(name, content_type, content=content, size=len(content), content_id=content_id)


def _file_name(part: Message) -> str:
    """The name of a file without any path, as people read it."""
    try:
        found = part.get_param("filename", None, "content-disposition") or part.get_param("name", None)
        name = collapse_rfc2231_value(found) if found else ""
    except (ValueError, LookupError, TypeError):
        name = ""
    plain = re.split(r"[/\\]", decoded(str(name)))[-1]
    return "".join(letter for letter in plain if letter.isprintable()).strip(". ")[:200]


def _default_name(part: Message) -> str:
    if part.get_content_type() == "message/rfc822":
        attached = part.get_payload(0) if part.is_multipart() else None
        subject = header_text(attached, "Subject") if isinstance(attached, Message) else ""
        return (re.sub(r"[^\w .-]+", "_", subject)[:80].strip() or "mail") + ".eml"
    return "file"


def _payload(part: Message) -> bytes:
    """The bytes of a part; those of an attached mail are the mail."""
    if part.is_multipart():
        return b"".join(_as_bytes(child) for child in _children(part))
    try:
        found = part.get_payload(decode=True)
    except (ValueError, LookupError, UnicodeError):
        found = str(part.get_payload()).encode("utf-8", "surrogateescape")
    return found if isinstance(found, bytes) else b""


def _as_bytes(message: Message) -> bytes:
    try:
        return message.as_bytes()
    except (ValueError, LookupError, UnicodeError, KeyError):
        return str(message).encode("utf-8", "surrogateescape")


def _charset(part: Message) -> str:
    try:
        return part.get_content_charset() or ""
    except (ValueError, LookupError, UnicodeError):
        return ""


def decode_bytes(content: bytes, charset: str) -> str:
    """Text in its charset; an unknown or wrong one is guessed, and what remains unreadable is replaced."""
    for name, errors in ((charset or "utf-8", "strict"), ("utf-8", "strict"), (charset, "replace")):
        try:
            return content.decode(name, errors)
        except (UnicodeError, LookupError, ValueError):
            continue
    return content.decode("windows-1252", "replace")


def megabytes(size: int) -> str:
    """A size as people read it."""
    return f"{size / 1024 / 1024:.1f} MB"
