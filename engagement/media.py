"""Files on their way in: fetched by a worker, looked at, made harmless and kept.

An attachment waits in its row until it is here, so a lost queue or a killed worker costs time and no file.
What arrived with its message (a mail's attachments) waits too, until it was looked at. A file that cannot be
had says why in its place.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from functools import partial

import structlog
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import Error, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from core.events import emit
from core.text import clean_text
from engagement.channels import connector
from engagement.channels.base import File, RateReached, SendFailed, TransientFailure
from engagement.credentials import with_fresh
from engagement.models import Attachment, ChannelAccount, FileState
from engagement.pictures import Picture, Refused, clean_picture, sniff

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)
BACK_OFF = (5, 15, 60, 300, 900, 3600, 4 * 3600)
"""Seconds until the next try; after the last the file counts as not to be had."""
SWEPT_AT_ONCE = 100
SWEEP_SECONDS = 30.0
AT_ONCE = 3
"""So many files are fetched at a time: a server that drips its answer holds up no more than these."""
MAX_DEATHS = 3
"""A file that ended its worker so often is not tried again."""


def queue_files(ids: Iterable[int]) -> None:
    """Look after these attachments right after the commit; where Redis is away, the sweep finds them."""
    from engagement.tasks import take_file

    for pk in ids:
        transaction.on_commit(partial(take_file.delay, pk), robust=True)


def sweep() -> int:
    """Look after what waits and was not looked after; returns how many."""
    end, n = time.monotonic() + SWEEP_SECONDS, 0
    for pk in list(_due().order_by("next_try_at").values_list("pk", flat=True)[:SWEPT_AT_ONCE]):
        if time.monotonic() > end or not take(pk):
            break
        n += 1
    return n


def _due() -> QuerySet[Attachment]:
    now = timezone.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    return Attachment.objects.filter(free, state=FileState.WAITING, next_try_at__lte=now)


def take(attachment_id: int) -> bool:
    """Fetch one file if it is not here, look at it and keep it; failures go into its row.

    False where nothing was done: another worker has it, or as many as may be are being fetched.
    """
    one = _claim(attachment_id)
    if one is None:
        return False
    _look_after(one)
    return True


def _look_after(one: Attachment) -> None:
    account = one.interaction.account
    if one.attempts > len(BACK_OFF) + MAX_DEATHS:
        _give_up(one, _("It could not be fetched."))
        return
    try:
        file = _here(one) if one.file else _fetched(account, one)
        _keep(one, file)
    except Refused as error:
        _give_up(one, str(error))
    except TransientFailure as failure:
        _try_later(one, failure)
    except SendFailed as failure:
        _give_up(one, str(failure))
    except OSError as error:
        log.warning("file not kept", attachment=one.pk, error=type(error).__name__)
        _try_later(one, TransientFailure(_("There was no room to keep it.")))
    except Error:
        raise
    except Exception as error:
        log.exception("file ended by an unexpected error", attachment=one.pk, error=type(error).__name__)
        _try_later(one, TransientFailure(_("It could not be read.")))


def _claim(attachment_id: int) -> Attachment | None:
    """The attachment, held for this worker; None where another holds it or nothing is to be done."""
    now = timezone.now()
    held = Attachment.objects.filter(state=FileState.WAITING, lease_until__gt=now)
    if held.count() >= AT_ONCE:
        return None
    if not _due().filter(pk=attachment_id).update(lease_until=now + LEASE, attempts=F("attempts") + 1):
        return None
    rows = Attachment.objects.select_related("interaction__account")
    return rows.filter(pk=attachment_id).first()


def _here(one: Attachment) -> File:
    """What came with its message. A restored row may be older than its file, which was kept meanwhile."""
    name, kept = one.file.name or "", _file_name(one.pk)
    if not default_storage.exists(name) and default_storage.exists(kept):
        name = kept
    with default_storage.open(name, "rb") as stream:
        content = stream.read()
    one.file.name = name
    return File(name=one.name, content_type=one.content_type, content=content, size=len(content))


def _fetched(account: ChannelAccount, one: Attachment) -> File:
    if one.size > settings.MEDIA_BYTES:
        raise Refused(_too_large())
    wanted = File(name=one.name, content_type=one.content_type, url=one.source, size=one.size)
    link = connector(account.connector)
    file = with_fresh(account, lambda: link.fetch_file(account, wanted, most=settings.MEDIA_BYTES))
    if not file.content:
        raise Refused(_("It is empty."))
    return file


def _too_large() -> str:
    return _("It is larger than %(most)s MB.") % {"most": settings.MEDIA_BYTES // (1024 * 1024)}


def _keep(one: Attachment, file: File) -> None:
    """Store the file as it is kept, and a small picture of it; what came with the message goes."""
    content_type = sniff(file.content, file.content_type)
    picture = clean_picture(file.content) if content_type.startswith("image/") else None
    before = one.file.name or ""
    if picture is not None:
        content_type = picture.content_type
        one.thumbnail.name = _save(_thumbnail_name(one.pk), picture.thumbnail)
    content = picture.content if picture else file.content
    if not before or content != file.content:
        one.file.name = _save(_file_name(one.pk), content)
    _write(one, picture, content_type=content_type, size=len(content))
    if before and before != one.file.name:
        default_storage.delete(before)


def _file_name(pk: int) -> str:
    """Where the file of an attachment is kept: known beforehand, so that what a dead worker left is found."""
    return f"attachments/kept/{pk // 10_000}/{pk}"


def _thumbnail_name(pk: int) -> str:
    return f"thumbnails/{pk // 10_000}/{pk}.webp"


def _save(name: str, content: bytes) -> str:
    default_storage.delete(name)
    return default_storage.save(name, ContentFile(content))


@transaction.atomic
def _write(one: Attachment, picture: Picture | None, *, content_type: str, size: int) -> None:
    """The row, unless its message was deleted or erased meanwhile; then the file goes again."""
    kept = Attachment.objects.filter(pk=one.pk, state=FileState.WAITING).update(
        file=one.file.name,
        thumbnail=one.thumbnail.name or "",
        content_type=content_type[:120],
        size=size,
        width=picture.width if picture else None,
        height=picture.height if picture else None,
        state=FileState.KEPT,
        lease_until=None,
        source="",
        note="",
    )
    if not kept:
        for name in (one.file.name, one.thumbnail.name):
            if name:
                transaction.on_commit(partial(default_storage.delete, name), robust=True)
        return
    _tell(one)


def _try_later(one: Attachment, failure: TransientFailure) -> None:
    if one.attempts > len(BACK_OFF):
        _give_up(one, str(failure))
        return
    seconds: float = BACK_OFF[one.attempts - 1]
    if isinstance(failure, RateReached):
        seconds = max(seconds, failure.retry_after)
    Attachment.objects.filter(pk=one.pk).update(
        lease_until=None,
        next_try_at=timezone.now() + timedelta(seconds=seconds),
        note=clean_text(str(failure), limit=200),
    )


@transaction.atomic
def _give_up(one: Attachment, why: str) -> None:
    name = one.file.name or ""
    Attachment.objects.filter(pk=one.pk).update(
        state=FileState.FAILED, lease_until=None, note=clean_text(why, limit=200), file=""
    )
    if name:
        transaction.on_commit(partial(default_storage.delete, name), robust=True)
    _tell(one)


def _tell(one: Attachment) -> None:
    """Windows with the conversation open show the file."""
    said = one.interaction
    emit(
        "interaction.file",
        channels=[f"team:{said.team_id}", f"conversation:{said.conversation_id}"],
        interaction=said.pk,
        conversation=said.conversation_id,
    )


@transaction.atomic
def fetch_again(*, attachment: Attachment) -> None:
    """Try once more to have a file that could not be had, where we still know where it is."""
    again = Attachment.objects.filter(pk=attachment.pk, state=FileState.FAILED).exclude(source="")
    if again.update(state=FileState.WAITING, attempts=0, next_try_at=timezone.now(), note=""):
        queue_files([attachment.pk])


def names_of(rows: QuerySet[Attachment]) -> list[str]:
    """Everything in the storage that these attachments have, or that a worker may have left for them."""
    names: list[str] = []
    for pk, file, thumbnail, state in rows.values_list("pk", "file", "thumbnail", "state"):
        names += [name for name in (file, thumbnail) if name]
        if state == FileState.WAITING:
            names += [_file_name(pk), _thumbnail_name(pk)]
    return names
