"""One run of the nightly rebuild."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Rebuild(models.Model):
    """A rebuild for one local day; its progress and steps stand on its job."""

    day = models.DateField(help_text="local day of the workspace it was run for")
    job = models.OneToOneField("core.Job", on_delete=models.CASCADE, related_name="rebuild")
    is_full = models.BooleanField(default=False)
    by_hand = models.BooleanField(default=False)
    finished_at = models.DateTimeField(null=True)
    customers_changed = models.PositiveIntegerField(default=0)

    class Meta:
        indexes: ClassVar = [
            # has this local day been run
            models.Index(fields=["-day", "-id"], name="personas_rebuild_day"),
        ]

    def __str__(self) -> str:
        return f"rebuild of {self.day}"
