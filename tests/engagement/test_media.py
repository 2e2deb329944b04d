"""Files of customers: fetched by a worker, looked at, made harmless, kept, and gone when they must."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone
from PIL import Image

from accounts.models import Team
from engagement import channels, media, tasks
from engagement.channels.base import (
    Change,
    Event,
    File,
    PermanentFailure,
    RateReached,
    TransientFailure,
)
from engagement.ingest import ingest
from engagement.models import Attachment, ChannelAccount, FileState
from engagement.pictures import Refused, clean_picture, sniff
from tests.engagement.double import Double, event

GPS, ORIENTATION, TURNED_RIGHT = 0x8825, 0x0112, 6


def photo(kind: str = "JPEG", size: tuple[int, int] = (900, 600)) -> bytes:
    """A picture as a camera writes it: with a place, and lying on its side."""
    picture, target = Image.effect_noise(size, 80).convert("RGB"), io.BytesIO()
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED_RIGHT
    exif.get_ifd(GPS)[2] = (52.0, 31.0, 12.0)
    picture.save(target, kind, exif=exif, comment=b"taken at home") if kind == "JPEG" else picture.save(
        target, kind, exif=exif
    )
    return target.getvalue()


class Gallery(Double):
    """A platform that hands out what `there` holds by URL; an exception there is raised."""

    there: ClassVar[dict[str, Any]] = {}
    asked: ClassVar[list[str]] = []

    def fetch_file(self, account, file, *, most):
        Gallery.asked.append(file.url)
        found = self.there[file.url]
        if isinstance(found, Exception):
            raise found
        return File(name=file.name, content_type=file.content_type, content=found)


@pytest.fixture
def gallery(monkeypatch, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    Gallery.there, Gallery.asked = {}, []
    monkeypatch.setitem(channels.BUILT_IN, "double", "tests.engagement.test_media:Gallery")
    channels.connector.cache_clear()
    yield Gallery
    channels.connector.cache_clear()


@pytest.fixture
def account(db):
    return ChannelAccount.objects.create(
        connector="double", network="double", external_id="us", name="Us", team=Team.general()
    )


def said_with(account, *files: File) -> list[Attachment]:
    one = Event(**{**vars(event("m1")), "files": files})
    ingest(account, [one])
    return list(Attachment.objects.order_by("pk"))


def again(one: Attachment) -> Attachment:
    return Attachment.objects.get(pk=one.pk)


def test_a_picture_is_fetched_turned_upright_and_tells_no_place(gallery, account):
    (one,) = said_with(account, File("a.jpg", "image/jpeg", url="there/a"))
    assert (one.state, one.file.name, one.source) == (FileState.WAITING, "", "there/a")
    Gallery.there["there/a"] = photo()
    media.take(one.pk)
    kept = again(one)
    assert (kept.state, kept.content_type, kept.source) == (FileState.KEPT, "image/jpeg", "")
    assert (kept.width, kept.height) == (600, 900)
    with Image.open(kept.file.open("rb")) as picture:
        assert not picture.getexif() and "comment" not in picture.info
    with Image.open(kept.thumbnail.open("rb")) as small:
        assert small.format == "WEBP" and max(small.size) == 640


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_no_format_keeps_its_metadata(kind):
    cleaned = clean_picture(photo(kind))
    assert cleaned is not None
    with Image.open(io.BytesIO(cleaned.content)) as picture:
        assert picture.format == kind and not dict(picture.getexif())


def test_an_animated_picture_keeps_its_frames():
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green", "blue")]
    target = io.BytesIO()
    frames[0].save(target, "GIF", save_all=True, append_images=frames[1:], comment=b"by me")
    cleaned = clean_picture(target.getvalue())
    with Image.open(io.BytesIO(cleaned.content)) as picture:
        assert picture.n_frames == 3 and b"by me" not in cleaned.content


def test_a_huge_picture_is_refused_before_it_fills_the_memory():
    target = io.BytesIO()
    Image.new("1", (9000, 7000)).save(target, "PNG")
    with pytest.raises(Refused, match="60 million"):
        clean_picture(target.getvalue())


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_the_frames_of_a_picture_count_together(kind):
    """They lie in memory side by side while the picture is written again: 20 kB of blank frames fill it."""
    frames = [Image.new("L", (2000, 1600), shade) for shade in (0, 200)] * 10
    target = io.BytesIO()
    frames[0].save(target, kind, save_all=True, append_images=frames[1:])
    with pytest.raises(Refused, match="frames"):
        clean_picture(target.getvalue())


@pytest.mark.parametrize(
    ("content", "claimed", "found"),
    [
        (b"<html><script>alert(1)</script>", "image/png", "text/html"),
        (b"%PDF-1.7 ...", "application/octet-stream", "application/pdf"),
        (b"plain words", "text/plain", "text/plain"),
        (b"plain words", "image/png", "application/octet-stream"),
        (b"OggS\x00\x02" + bytes(60), "audio/ogg", "audio/ogg"),
        (b"\xff\xfe\x00\x01" * 9, "text/plain", "application/octet-stream"),
    ],
)
def test_what_a_file_is_is_read_from_its_bytes(content, claimed, found):
    assert sniff(content, claimed) == found


def packed(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return target.getvalue()


OFFICE = "application/vnd.openxmlformats-officedocument."
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500) + b"\xff" * 2000
PROGRAMS = [
    b"MZ\x90\x00" + bytes(300),
    b"\x7fELF\x02\x01\x01" + bytes(60),
    b"\xcf\xfa\xed\xfe" + bytes(60),
    packed("META-INF/MANIFEST.MF", "A.class"),
    packed("AndroidManifest.xml", "classes.dex"),
    COMPOUND + bytes.fromhex("84100c0000000000c000000000000046"),
    bytes(600) + b"koly" + bytes(508),
]


@pytest.mark.parametrize(
    ("content", "claimed"),
    [
        (packed("photo1.jpg", "photo2.jpg"), "application/zip"),
        (packed("[Content_Types].xml", "word/document.xml"), f"{OFFICE}wordprocessingml.document"),
        (packed("[Content_Types].xml", "xl/workbook.xml"), f"{OFFICE}spreadsheetml.sheet"),
        (packed("mimetype", "META-INF/manifest.xml"), "application/vnd.oasis.opendocument.text"),
        (COMPOUND, "application/msword"),
        (b"MZ is how this note begins.", "text/plain"),
    ],
)
def test_letters_tables_and_archives_are_no_programs(content, claimed):
    """They begin as some programs do, and a file that is refused is gone."""
    assert sniff(content, claimed) == claimed


@pytest.mark.parametrize("content", PROGRAMS)
def test_programs_are_not_kept(gallery, account, content):
    Gallery.there["there/a"] = content
    (one,) = said_with(account, File("invoice.pdf", "application/pdf", url="there/a"))
    media.take(one.pk)
    assert (again(one).state, again(one).note) == (FileState.FAILED, "Programs are not kept.")
    assert not again(one).file


def test_a_broken_picture_is_kept_as_a_file_to_download(gallery, account):
    Gallery.there["there/a"] = photo()[:200]
    (one,) = said_with(account, File("a.jpg", "image/jpeg", url="there/a"))
    media.take(one.pk)
    assert again(one).state == FileState.KEPT and not again(one).thumbnail


def test_a_failure_that_passes_is_tried_again_later_and_then_given_up(gallery, account):
    Gallery.there["there/a"] = TransientFailure("The platform is out of order.")
    (one,) = said_with(account, File("a.jpg", "image/jpeg", url="there/a"))
    for tries in range(1, len(media.BACK_OFF) + 1):
        media.take(one.pk)
        waiting = again(one)
        assert (waiting.state, waiting.attempts) == (FileState.WAITING, tries)
        assert waiting.next_try_at > timezone.now()
        media.take(one.pk)
        assert again(one).attempts == tries
        Attachment.objects.update(next_try_at=timezone.now())
    media.take(one.pk)
    assert (again(one).state, again(one).note) == (FileState.FAILED, "The platform is out of order.")


def test_an_allowance_that_is_used_up_is_waited_for(gallery, account):
    Gallery.there["there/a"] = RateReached("Slowly.", retry_after=700)
    (one,) = said_with(account, File("a.jpg", "image/jpeg", url="there/a"))
    media.take(one.pk)
    assert again(one).next_try_at > timezone.now() + timedelta(seconds=600)


def test_what_the_platform_has_no_more_says_so_and_can_be_asked_for_again(
    gallery, account, django_capture_on_commit_callbacks, monkeypatch
):
    Gallery.there["there/a"] = PermanentFailure("It is gone.")
    (one,) = said_with(account, File("a.jpg", "image/jpeg", url="there/a"))
    media.take(one.pk)
    assert (again(one).state, again(one).note) == (FileState.FAILED, "It is gone.")
    Gallery.there["there/a"] = photo()
    monkeypatch.setattr(tasks.take_file, "delay", media.take)
    with django_capture_on_commit_callbacks(execute=True):
        media.fetch_again(attachment=again(one))
    assert again(one).state == FileState.KEPT


def test_one_worker_fetches_a_file_at_a_time_and_a_dead_one_is_taken_over(gallery, account):
    Gallery.there["there/a"] = photo()
    (one,) = said_with(account, File("a.jpg", "image/jpeg", url="there/a"))
    Attachment.objects.update(lease_until=timezone.now() + timedelta(minutes=1))
    media.take(one.pk)
    assert Gallery.asked == []
    Attachment.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert media.sweep() == 1
    assert again(one).state == FileState.KEPT


def test_a_file_that_kills_its_workers_is_given_up(gallery, account):
    (one,) = said_with(account, File("a.jpg", "image/jpeg", url="there/a"))
    Attachment.objects.update(attempts=len(media.BACK_OFF) + media.MAX_DEATHS)
    media.take(one.pk)
    assert again(one).state == FileState.FAILED and Gallery.asked == []


def test_what_came_with_its_message_is_looked_at_too(gallery, account):
    (one,) = said_with(account, File("a.jpg", "image/jpeg", content=photo()))
    before = one.file.name
    assert one.state == FileState.WAITING and before
    media.take(one.pk)
    kept = again(one)
    assert kept.state == FileState.KEPT and kept.thumbnail and kept.file.name != before
    assert not default_storage.exists(before)


@pytest.mark.django_db(transaction=True)
def test_no_file_is_left_of_a_message_that_was_deleted_meanwhile(gallery, tmp_path):
    account = ChannelAccount.objects.create(
        connector="double", network="double", external_id="us", name="Us", team=Team.general()
    )
    (one,) = said_with(account, File("a.jpg", "image/jpeg", url="there/a"))
    held = media._claim(one.pk)
    ingest(account, [Change("m1", "delete", timezone.now())])
    media._keep(held, File("a.jpg", "image/jpeg", content=photo()))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.django_db(transaction=True)
def test_what_a_dead_worker_left_goes_with_its_message(gallery, tmp_path):
    account = ChannelAccount.objects.create(
        connector="double", network="double", external_id="us", name="Us", team=Team.general()
    )
    (one,) = said_with(account, File("a.jpg", "image/jpeg", url="there/a"))
    media._save(media._file_name(one.pk), b"half of it")
    ingest(account, [Change("m1", "delete", timezone.now())])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_full_disk_costs_time_and_no_file(gallery, account, monkeypatch):
    def full(name, content):
        raise OSError(28, "No space left on device")

    Gallery.there["there/a"] = photo()
    (one,) = said_with(account, File("a.jpg", "image/jpeg", url="there/a"))
    with monkeypatch.context() as patched:
        patched.setattr(media, "_save", full)
        media.take(one.pk)
    assert again(one).state == FileState.WAITING
    Attachment.objects.update(next_try_at=timezone.now())
    media.take(one.pk)
    assert again(one).state == FileState.KEPT


def test_a_restored_row_finds_the_file_that_was_kept_meanwhile(gallery, account):
    (one,) = said_with(account, File("a.jpg", "image/jpeg", content=photo()))
    media.take(one.pk)
    Attachment.objects.update(state=FileState.WAITING, file=one.file.name, lease_until=None)
    media.take(one.pk)
    kept = again(one)
    assert kept.state == FileState.KEPT and kept.file.read()


def test_few_files_are_fetched_at_a_time(gallery, account):
    files = [File(f"{n}.jpg", "image/jpeg", url=f"there/{n}") for n in range(media.AT_ONCE + 1)]
    found = said_with(account, *files)
    held = [media._claim(one.pk) for one in found]
    assert [one is not None for one in held] == [True] * media.AT_ONCE + [False]
    Attachment.objects.filter(pk=found[0].pk).update(state=FileState.KEPT)
    assert media._claim(found[-1].pk) is not None


def test_a_file_that_nobody_can_read_holds_no_place(gallery, account):
    """As many as are fetched at a time would otherwise keep everybody else's files waiting."""
    files = [File(f"{n}.jpg", "image/jpeg", url=f"there/{n}") for n in range(media.AT_ONCE + 1)]
    found = said_with(account, *files)
    Gallery.there |= {f"there/{n}": KeyError("no such part") for n in range(media.AT_ONCE)}
    Gallery.there[f"there/{media.AT_ONCE}"] = photo()
    for one in found:
        media.take(one.pk)
    assert [again(one).state for one in found] == [FileState.WAITING] * media.AT_ONCE + [FileState.KEPT]
