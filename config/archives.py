"""Unpacking tar archives without trusting what they say about where things go.

Python's own filter for that is missing from the first releases of 3.11.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path, PurePosixPath


def unpack(archive: tarfile.TarFile, target: Path, *, strip: int = 0) -> None:
    """Write the archive's files below `target`, without the first `strip` parts of their names.

    Links and devices are left out, and so is a name that leads elsewhere (ValueError).
    """
    for member in archive.getmembers():
        parts = PurePosixPath(member.name).parts[strip:]
        if ".." in parts or PurePosixPath(member.name).is_absolute():
            raise ValueError(f"the archive holds {member.name}, which leads outside")
        if not member.isfile() or not parts:
            continue
        place = target.joinpath(*parts)
        place.parent.mkdir(parents=True, exist_ok=True)
        content = archive.extractfile(member)
        assert content is not None  # noqa: S101
        with content, place.open("wb") as file:
            shutil.copyfileobj(content, file)
        place.chmod(0o755 if member.mode & 0o100 else 0o644)
