"""Files that become ready after what they belong to: the recording of a call that was taken in already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engagement.channels.base import File
from engagement.models import Attachment, FileState, Interaction


def add_files(target: Interaction, files: Sequence[File]) -> bool:
    """Add those that are not there yet, by their names, to an interaction under lock; whether any was."""
    from engagement.ingest.extras import attachment
    from engagement.media import queue_files

    known = set(target.attachments.values_list("name", flat=True))
    fresh = [file for file in files if file.url and file.name not in known]
    if target.deleted_at or not fresh:
        return False
    made = Attachment.objects.bulk_create(attachment(target.pk, file) for file in fresh)
    queue_files([one.pk for one in made if one.state == FileState.WAITING])
    return True


def written_down(files: Sequence[File]) -> list[dict[str, Any]]:
    """Files that wait for their interaction, as JSON."""
    return [
        {"name": file.name, "content_type": file.content_type, "url": file.url, "size": file.size}
        for file in files
    ]
