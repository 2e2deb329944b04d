"""What a file really is, and pictures made harmless: without where they were taken, and small to look at."""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import puremagic

from engagement.models.interaction import SOUNDS

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Pictures that a browser may open by itself."""
PLAYED = SOUNDS | {"video/mp4", "video/webm"}
"""Sound and film that a browser may play."""
BINARIES = (b"\x7fELF", b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")
"""How programs for Linux and macOS begin."""
PACKED, COMPOUND = (b"PK\x03\x04", b"PK\x05\x06"), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""How archives begin, and office files of today with them; and how older office files do."""
RUN_FROM = frozenset({"META-INF/MANIFEST.MF", "AndroidManifest.xml"})
"""What an archive holds that is run: a program in Java, or one for Android."""
INSTALLER = bytes.fromhex("84100c0000000000c000000000000046")
"""What a compound file holds that installs something on Windows."""
MAX_PIXELS = 60_000_000
THUMBNAIL = (640, 640)
FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
SAME = {
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "application/ogg": "audio/ogg",
    "audio/x-m4a": "audio/mp4",
}
OPTIONS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 92}, "WEBP": {"lossless": True}}
SURE = 0.3
PREFIX = 4096


class Refused(Exception):
    """A file that is not kept, with the reason that is shown in its place."""


@dataclass(frozen=True)
class Picture:
    """A picture without its metadata, upright, and a small one of it."""

    content: bytes
    content_type: str
    width: int
    height: int
    thumbnail: bytes
    """WebP, at most 640 pixels wide or high."""


def sniff(content: bytes, claimed: str) -> str:
    """The MIME type that the bytes show; what is only claimed is believed of plain text and of office files.

    Raises Refused for programs.
    """
    if _is_program(content):
        raise Refused("Programs are not kept.")
    types = [
        SAME.get(one.mime_type, one.mime_type)
        for one in _guesses(content)
        if one.confidence >= SURE and one.mime_type
    ]
    claimed = SAME.get(claimed.lower(), claimed.lower())
    is_container = content.startswith((*PACKED, COMPOUND))
    if claimed in types or (is_container and claimed.startswith("application/")):
        return claimed
    if types:
        return types[0]
    return claimed if claimed.startswith("text/") and _is_text(content) else "application/octet-stream"


def _is_program(content: bytes) -> bool:
    """Whether it only runs; nobody needs that to answer a customer. Guesses by its first bytes do not tell:
    an archive of pictures and a letter begin as some programs do."""
    if content.startswith(BINARIES) or content[-512:-508] == b"koly":
        return True
    if content.startswith(b"MZ"):
        return not _is_text(content)
    if content.startswith(COMPOUND):
        return INSTALLER in content
    return content.startswith(PACKED) and not RUN_FROM.isdisjoint(_packed_names(content))


def _packed_names(content: bytes) -> list[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError, struct.error):
        return []


def _guesses(content: bytes) -> list[puremagic.PureMagicWithConfidence]:
    try:
        return puremagic.magic_string(content)
    except (puremagic.PureError, ValueError):
        return []


def _is_text(content: bytes) -> bool:
    try:
        content[:PREFIX].decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        return error.start > PREFIX - 4
    return b"\x00" not in content[:PREFIX]


def clean_picture(content: bytes) -> Picture | None:
    """The picture without metadata; None for what is none, or cannot be read.

    A JPEG is written again at quality 92, because a camera's note of which side is up goes with the metadata.
    An animated one keeps its frames. Raises Refused for one with more than 60 million points, in all of its
    frames together: it would fill the memory.
    """
    from PIL import Image as pil
    from PIL import ImageOps, UnidentifiedImageError

    try:
        with pil.open(io.BytesIO(content), formats=list(FORMATS)) as opened:
            kind = opened.format or ""
            is_animated = _is_animated(opened)
            small = ImageOps.exif_transpose(opened)
            bare = _written(opened, small, kind, is_animated=is_animated)
            width, height = small.size
            small.thumbnail(THUMBNAIL)
            return Picture(bare, FORMATS[kind], width, height, _webp(small))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, pil.DecompressionBombError):
        return None


def _is_animated(opened: Image) -> bool:
    """Whether it has several frames. Raises Refused for too many points."""
    points = opened.width * opened.height
    if points > MAX_PIXELS:
        raise Refused("The picture has more than 60 million points.")
    if not getattr(opened, "is_animated", False):
        return False
    if points * getattr(opened, "n_frames", 1) > MAX_PIXELS:
        raise Refused("The frames of the picture have more than 60 million points.")
    return True


def _written(opened: Image, upright: Image, kind: str, *, is_animated: bool) -> bytes:
    """The picture in its own format, with its colours and nothing else that stood beside the points."""
    target, colours = io.BytesIO(), opened.info.get("icc_profile")
    for words in ("comment", "xmp", "XML:com.adobe.xmp"):
        opened.info.pop(words, None)
    if is_animated:
        opened.save(target, kind, save_all=True, exif=b"", xmp=b"", icc_profile=colours)
        return target.getvalue()
    plain = upright.copy()
    plain.info = {}
    plain.save(target, kind, icc_profile=colours, **OPTIONS.get(kind, {}))
    return target.getvalue()


def _webp(small: Image) -> bytes:
    target = io.BytesIO()
    small.info = {}
    has_holes = "A" in small.getbands() or small.mode == "P"
    small.convert("RGBA" if has_holes else "RGB").save(target, "WEBP", quality=80)
    return target.getvalue()
