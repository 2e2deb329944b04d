"""Files that people send go to a bucket where one is named, everything else stays on disk."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile

from core.storage import SplitStorage
from tests.channels.platform import Platform, route


class Bucket(Platform):
    """A server that speaks as much S3 as a bucket of files needs."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, bytes] = {}

    @route("PUT", r"/files/(?P<key>.+)")
    def put(self, call):
        self.kept[call.groups["key"]] = call.body
        return 200, b"", {"ETag": '"1"'}

    @route("HEAD", r"/files/(?P<key>.+)")
    def head(self, call):
        found = self.kept.get(call.groups["key"])
        return (404, b"") if found is None else (200, found, {"ETag": '"1"'})

    @route("GET", r"/files/(?P<key>.+)")
    def get(self, call):
        found = self.kept.get(call.groups["key"])
        return (404, b"<Error><Code>NoSuchKey</Code></Error>") if found is None else (200, found)

    @route("DELETE", r"/files/(?P<key>.+)")
    def remove(self, call):
        self.kept.pop(call.groups["key"], None)
        return 204, b""


@pytest.fixture
def bucket():
    with Bucket() as there:
        yield there


@pytest.fixture
def storage(bucket, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    options = {
        "bucket_name": "files",
        "endpoint_url": bucket.url,
        "access_key": "key",
        "secret_key": "secret",
        "region_name": "us-east-1",
        "file_overwrite": False,
        "addressing_style": "path",
    }
    return SplitStorage(folders=("attachments", "thumbnails"), options=options)


def test_what_people_send_goes_to_the_bucket_and_comes_back(storage, bucket, tmp_path):
    name = storage.save("attachments/kept/0/1", ContentFile(b"a letter"))
    assert list(bucket.kept) == [name] and not any(tmp_path.rglob("*"))
    assert storage.exists(name) and storage.size(name) == 8
    with storage.open(name, "rb") as stream:
        assert stream.read() == b"a letter"
    storage.delete(name)
    assert bucket.kept == {} and not storage.exists(name)


def test_imports_and_exports_stay_on_disk(storage, bucket, tmp_path):
    name = storage.save("imports/1", ContentFile(b"email\n"))
    assert storage.path(name) == str(tmp_path / "imports" / "1")
    assert storage.open(name, "rb").read() == b"email\n" and bucket.kept == {}
    storage.delete(name)
    assert not storage.exists(name)


def test_what_is_in_the_bucket_has_no_path(storage):
    with pytest.raises(NotImplementedError, match="bucket"):
        storage.path("attachments/kept/0/1")


def test_without_a_bucket_everything_is_on_disk(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    plain = SplitStorage()
    name = plain.save("attachments/kept/0/1", ContentFile(b"a letter"))
    assert plain.path(name).startswith(str(tmp_path)) and plain.exists(name)
