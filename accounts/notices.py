"""What the bell says about the reader's own jobs, and how many notices are new."""

from __future__ import annotations

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from core import notices
from core.models import Job, JobState
from core.notices import Notice

SHOWN = 20
ENDED = (JobState.DONE, JobState.FAILED, JobState.PARKED)


def jobs_of(user: User, limit: int) -> list[Notice]:
    """Jobs that this person started and that ended, newest first."""
    ended = Job.objects.filter(created_by=user, state__in=ENDED, finished_at__isnull=False)
    return [_notice(job) for job in ended.order_by("-finished_at", "-id")[:limit]]


def _notice(job: Job) -> Notice:
    good = job.state == JobState.DONE
    return Notice(
        at=job.finished_at or job.created_at,
        text=job.title,
        detail=_("Done") if good else job.error[:120] or _("Failed"),
        url=reverse("core:job-detail", args=[job.pk]),
        icon="circle-check" if good else "alert-triangle",
        level="good" if good else "bad",
    )


def newest_for(user: User) -> list[Notice]:
    """The notices under the bell."""
    return notices.newest(user, limit=SHOWN)


def count_new(user: User) -> int:
    """How many of them came after this person last looked."""
    return sum(notice.at > user.notices_seen_at for notice in newest_for(user))


def mark_seen(user: User) -> None:
    """Remember that this person has looked."""
    User.objects.filter(pk=user.pk).update(notices_seen_at=timezone.now())
