"""Where files are kept: on disk, or those of one folder in a bucket that speaks S3.

Only what people send may be large and many, so only that goes to a bucket; imports and exports are read from
disk row by row and stay there. Everybody asks `default_storage`, and a file's name says where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage
from django.utils.deconstruct import deconstructible


@deconstructible(path="core.storage.SplitStorage")
class SplitStorage(FileSystemStorage):
    """The disk, but for names below `folders`, which are kept in the bucket that `options` name."""

    def __init__(self, *, folders: Sequence[str] = (), options: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.folders = tuple(f"{folder.strip('/')}/" for folder in folders)
        self.options = options or {}

    @cached_property
    def bucket(self) -> Storage:
        from storages.backends.s3 import S3Storage

        return S3Storage(**self.options)

    def _is_far(self, name: str | None) -> bool:
        return bool(name) and str(name).startswith(self.folders or ("\x00",))

    def open(self, name: str, mode: str = "rb") -> File:
        return self.bucket.open(name, mode) if self._is_far(name) else super().open(name, mode)

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        if self._is_far(name):
            return self.bucket.save(name, content, max_length=max_length)
        return super().save(name, content, max_length=max_length)

    def delete(self, name: str) -> None:
        if self._is_far(name):
            self.bucket.delete(name)
        else:
            super().delete(name)

    def exists(self, name: str) -> bool:
        return self.bucket.exists(name) if self._is_far(name) else super().exists(name)

    def size(self, name: str) -> int:
        return self.bucket.size(name) if self._is_far(name) else super().size(name)

    def path(self, name: str) -> str:
        """Where it is on disk. Raises NotImplementedError for what is in the bucket, as Django's do."""
        if self._is_far(name):
            raise NotImplementedError(f"{name} is kept in a bucket and has no path.")
        return super().path(name)
