"""A model that was fitted and waits: who would move by it, taking it, and putting it away.

Web processes use this module; the arithmetic runs in workers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.jobs import JobFailed, Progress, start_job
from core.models import Job, Workspace
from personas.models import ModelCard, Persona, PersonaModel
from personas.nightly import start_rebuild

KIND = "personas.fit"


@dataclass(frozen=True)
class Move:
    """How many customers would go from one persona to another; None is a new one, or none so far."""

    before: Persona | None
    after: Persona | None
    customers: int

    @property
    def stays(self) -> bool:
        """Whether they would stay where they are."""
        return self.before is not None and self.before == self.after


def start_fit(*, by: User | None = None) -> Job:
    """Fit a new model in a job; it waits until somebody takes it. Raises core.jobs.JobIsOpen."""
    if by is not None:
        check(by, "rebuild.start")
    return start_job(KIND, "Find personas anew", by=by, exclusive=KIND)


def run_fit(progress: Progress) -> dict[str, Any]:
    """The job of `start_fit`."""
    from personas.assigning import CARD, Assignment, fit_model

    today = Workspace.current().today()
    now = progress.job.started_at
    assert now is not None  # noqa: S101 (a running job has begun)
    progress.beat(0, 100, phase="fitting")
    work = Assignment(
        today=today, now=now, everybody=True, beat=lambda share: progress.beat(round(100 * share), 100)
    )
    fitted = fit_model(work, reason="by hand")
    if fitted is None:
        raise JobFailed(ModelCard.objects.get(name=CARD).explanation)
    return {"model": fitted.pk, "k": fitted.k}


def waiting() -> PersonaModel | None:
    """The model that waits to be looked at; None where there is none."""
    return PersonaModel.objects.filter(is_current=False, taken_at=None).order_by("-fitted_at").first()


def moves(proposed: PersonaModel) -> list[Move]:
    """Who would move by it, the most first."""
    personas = {one.pk: one for one in Persona.objects.all()}
    return [
        Move(personas.get(row["before"]), personas.get(row["after"]), row["customers"])
        for row in proposed.figures.get("moves", [])
    ]


def take(*, proposed: PersonaModel, by: User | None = None) -> Job:
    """Make it the current model, by a rebuild that assigns everybody. Raises core.jobs.JobIsOpen."""
    job = start_rebuild(take=proposed.pk, by=by)
    record_audit(by=by, verb="personas.model_taken", target=proposed)
    return job


def dismiss(*, proposed: PersonaModel, by: User | None = None) -> None:
    """Put it away; personas stay as they are."""
    if by is not None:
        check(by, "rebuild.start")
    record_audit(by=by, verb="personas.model_dismissed", target=proposed)
    PersonaModel.objects.filter(pk=proposed.pk, is_current=False, taken_at=None).delete()
