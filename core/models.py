"""The one workspace, its brands, what happened (events) and long work (jobs)."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class Workspace(models.Model):
    """This installation: one row, which the database itself keeps single."""

    name = models.CharField(max_length=120, default="Rapport")
    zone = models.CharField(max_length=64, default="UTC")
    country = models.CharField(max_length=2, default="US")
    currency = models.CharField(max_length=3, default="USD")
    week_start = models.PositiveSmallIntegerField(default=1, help_text="1 is Monday, 7 is Sunday")
    languages = models.JSONField(default=list, blank=True)
    demo_since = models.DateTimeField(null=True, blank=True)
    demo_seed = models.BigIntegerField(null=True, blank=True)
    only = models.BooleanField(default=True, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["only"], name="core_workspace_single"),
            models.CheckConstraint(condition=Q(only=True), name="core_workspace_only_true"),
            models.CheckConstraint(condition=Q(week_start__range=(1, 7)), name="core_workspace_week_start"),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def current(cls) -> Workspace:
        """The workspace; made on first use, safely under two first users at once."""
        found = cls.objects.order_by("pk").first()
        if found is not None:
            return found
        Workspace.objects.bulk_create([Workspace()], ignore_conflicts=True)
        return cls.objects.get()

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def today(self, now: datetime | None = None) -> date:
        """The local date of the workspace."""
        return (now or timezone.now()).astimezone(self.tz).date()


class Brand(models.Model):
    """A name the business speaks under; owns channel accounts, signature and tone."""

    name = models.CharField(max_length=120, unique=True)
    signature = models.TextField(blank=True)
    tone = models.TextField(blank=True, help_text="How this brand speaks, in a sentence or two")

    def __str__(self) -> str:
        return self.name


class Event(models.Model):
    """Something that happened, written in the same transaction as the thing itself.

    `id` numbers the live stream. A transaction that commits later may hold a smaller id, so the change
    feed goes by `number`, which an event gets once it can be seen (`core.events.read_feed`).
    """

    type = models.CharField(max_length=60)
    at = models.DateTimeField(default=timezone.now)
    ids = models.JSONField(default=dict)
    channels = models.JSONField(default=list, help_text="who is told live: team:<id>, user:<id>, staff")
    number = models.BigIntegerField(null=True, unique=True, editable=False)

    class Meta:
        indexes: ClassVar = [
            # clean-up of old events
            models.Index(fields=["at"], name="core_event_at"),
            # the feed filtered by type
            models.Index(fields=["type", "number"], name="core_event_type"),
            # what is to be numbered next
            models.Index(fields=["id"], condition=Q(number__isnull=True), name="core_event_unnumbered"),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.type}"


class JobState(models.TextChoices):
    """How far a job is."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    PARKED = "parked", "Parked after three deaths"


class Job(models.Model):
    """Work over two seconds: progress, result, error, and a lease instead of a running flag."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=60)
    title = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.QUEUED)
    exclusive = models.CharField(max_length=80, default="", blank=True, help_text="only one open job a name")
    input = models.JSONField(default=dict)
    cursor = models.JSONField(default=dict, help_text="where to go on after a crash")
    result = models.JSONField(default=dict)
    steps = models.JSONField(default=list, help_text="[{name, seconds, count}]")
    phase = models.CharField(max_length=120, blank=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    error = models.TextField(blank=True)
    deaths = models.PositiveSmallIntegerField(default=0)
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "exclusive"],
                condition=Q(state__in=["queued", "running"]) & ~Q(exclusive=""),
                name="core_job_one_open",
            ),
        ]
        indexes: ClassVar = [
            # the jobs page, newest first
            models.Index(fields=["-created_at", "-id"], name="core_job_newest"),
            # the sweep: open jobs whose lease ran out
            models.Index(
                fields=["lease_until"], condition=Q(state__in=["queued", "running"]), name="core_job_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"

    @property
    def percent(self) -> int:
        """0 to 100; 0 while the total is not known, 100 once it is done, whatever was counted."""
        if self.state == JobState.DONE:
            return 100
        return min(100, round(100 * self.done / self.total)) if self.total else 0

    @property
    def is_open(self) -> bool:
        return self.state in (JobState.QUEUED, JobState.RUNNING)

    @property
    def is_waiting(self) -> bool:
        """Whether no process has begun it."""
        return self.state == JobState.QUEUED

    @property
    def seconds(self) -> float | None:
        if not self.started_at:
            return None
        return ((self.finished_at or datetime.now(UTC)) - self.started_at).total_seconds()


class JobShard(models.Model):
    """A part of one step of a job, done by whichever process claims it; see `core.shards`."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="shards", db_index=False)
    step = models.CharField(max_length=60)
    turn = models.PositiveIntegerField(
        default=0, help_text="a turn begins when all shards before it are done"
    )
    number = models.PositiveIntegerField()
    input = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.QUEUED)
    deaths = models.PositiveSmallIntegerField(default=0)
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            # read by the claim and the count of what is left as well
            models.UniqueConstraint(fields=["job", "step", "turn", "number"], name="core_jobshard_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.step} {self.turn}.{self.number} {self.state}"


JSON = dict[str, Any]


class ImportState(models.TextChoices):
    """How far an import is."""

    UPLOADED = "uploaded", "Columns to be matched"
    CHECKING = "checking", "Dry run"
    CHECKED = "checked", "Ready to run"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    UNDOING = "undoing", "Being undone"
    UNDONE = "undone", "Undone"


class ImportPreset(models.Model):
    """How the columns of one shape of file were matched, to be offered when such a file comes again."""

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=60)
    source = models.CharField(max_length=60)
    mapping = models.JSONField(default=dict, help_text="{column of the file: what it holds}")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name


class ImportRun(models.Model):
    """One file that came in: how it is read, what a dry run said, what became of it, and its undoing."""

    name = models.CharField(max_length=200, help_text="the file's name, as uploaded")
    path = models.CharField(max_length=300, blank=True, help_text="in the media folder; empty once deleted")
    size = models.BigIntegerField(default=0)
    kind = models.CharField(max_length=60)
    source = models.CharField(max_length=60, default="import", help_text="who gave the ids in the file")
    shape = models.JSONField(default=dict, help_text="how the file is read (`core.files.Shape`)")
    mapping = models.JSONField(default=dict, help_text="{column of the file: what it holds}")
    options = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=ImportState.choices, default=ImportState.UPLOADED)
    wants_pause = models.BooleanField(default=False)
    cursor = models.JSONField(default=dict, help_text="{row}: how many rows are behind us")
    check_counts = models.JSONField(default=dict, help_text="what the dry run found: {outcome: rows}")
    counts = models.JSONField(default=dict, help_text="what the run did: {outcome: rows}")
    undo_counts = models.JSONField(default=dict)
    samples = models.JSONField(default=dict, help_text="{outcome: [a few rows]}")
    rejected_path = models.CharField(max_length=300, blank=True)
    error = models.TextField(blank=True)
    job = models.ForeignKey(Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    checked_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            # the list of imports, newest first
            models.Index(fields=["-created_at", "-id"], name="core_importrun_newest"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def not_stored(self) -> int:
        return sum(self.counts.get(name, 0) for name in ("conflicting", "bad", "erased"))

    @property
    def is_busy(self) -> bool:
        return self.state in (ImportState.CHECKING, ImportState.RUNNING, ImportState.UNDOING)


class ImportedRow(models.Model):
    """What became of one row of a file: what undoing needs, or why it was not stored."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="rows", db_index=False)
    number = models.IntegerField()
    outcome = models.CharField(max_length=12)
    object_id = models.BigIntegerField(null=True, help_text="the customer or order that it became or changed")
    reason = models.TextField(blank=True)
    before = models.JSONField(null=True, help_text="what stood there before, and what was added")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "number"], name="core_importedrow_once"),
        ]
        indexes: ClassVar = [
            # erasure: what imports keep of a customer
            models.Index(
                fields=["object_id"], condition=Q(object_id__isnull=False), name="core_importedrow_object"
            ),
        ]

    def __str__(self) -> str:
        return f"row {self.number}: {self.outcome}"


class ImportKey(models.Model):
    """Something a row of a file was known by, so that a later row of the same file is seen to be the same.

    `key` and `digest` are hashes. Rows live as long as the dry run or the run that reads the file.
    """

    pk = models.CompositePrimaryKey("run_id", "key")
    run = models.ForeignKey(
        ImportRun, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    key = models.BigIntegerField()
    digest = models.BigIntegerField(help_text="of the values of the row")
    number = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.run_id} {self.key}"
