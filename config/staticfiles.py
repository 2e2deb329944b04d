"""Static files: the browser libraries of node_modules/ that pages use, and names that carry a hash."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage
from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """Hashed and compressed, so that browsers keep them; imports between our ES modules are rewritten too."""

    support_js_module_import_aggregation = True
    manifest_strict = False
    # Other people's modules name their neighbours in ways that cannot be rewritten.
    _js_module_import_aggregation_patterns = (
        "js/*.js",
        CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1],
    )

    def create_compressor(self, **options: Any) -> Compressor:
        """Compress by gzip only: Brotli's best takes half a minute and saves little on a set of this size."""
        return Compressor(use_brotli=False, **options)


class BrowserLibraries(BaseFinder):
    """Serves `BROWSER_FILES` of node_modules/ as vendor/…; the packages hold far more than pages need."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.storage = FileSystemStorage(location=settings.NODE_MODULES)
        self.storage.prefix = "vendor"  # type: ignore[attr-defined]

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        """Return where a vendored file lies; empty when it is none of ours."""
        below = PurePosixPath(path)
        if below.parts[:1] != ("vendor",):
            return []
        wanted = below.relative_to("vendor")
        place = settings.NODE_MODULES / wanted
        if not place.is_file() or not any(wanted.match(pattern) for pattern in settings.BROWSER_FILES):
            return []
        return [str(place)] if find_all else str(place)

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, FileSystemStorage]]:
        """Yield every vendored file."""
        for pattern in settings.BROWSER_FILES:
            for place in sorted(settings.NODE_MODULES.glob(pattern)):
                yield place.relative_to(settings.NODE_MODULES).as_posix(), self.storage
