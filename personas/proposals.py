"""A model that was fitted and waits: what it would change, taking it, putting it away, and taking it back.

Web processes use this module; the arithmetic runs in workers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from accounts.permissions import check
from accounts.services import record_audit
from core.holding import held
from core.jobs import JobFailed, Progress, start_job
from core.models import Job, Workspace
from personas.models import ModelCard, Persona, PersonaModel, PersonaSettings
from personas.nightly import start_rebuild

KIND = "personas.fit"
FIFTH = 0.2
"""Part of a persona's members from which a stream of them is told."""
EARLIER = 5


@dataclass(frozen=True)
class Group:
    """A persona, or one that a proposed model would make; `persona` is None for a new one, or for nobody."""

    persona: Persona | None
    name: str
    cluster: int | None = None

    @property
    def is_new(self) -> bool:
        """Whether it would be made."""
        return self.persona is None and self.cluster is not None


@dataclass(frozen=True)
class Move:
    """How many customers would go from one persona to another; some of them by id."""

    before: Group
    after: Group
    customers: int
    of: int
    sample: Sequence[int] = ()

    @property
    def stays(self) -> bool:
        """Whether they would stay where they are."""
        return self.before.persona is not None and self.before.persona == self.after.persona


@dataclass(frozen=True)
class Change:
    """Something that would happen to personas themselves: split, merge, gone or new; `text` tells it."""

    kind: str
    text: str


# Fitting


def start_fit(*, by: User | None = None, reason: str = "by hand") -> Job:
    """Fit a new model in a job; it waits until somebody takes it. Raises core.jobs.JobIsOpen."""
    if by is not None:
        check(by, "rebuild.start")
    return start_job(KIND, "Find personas anew", by=by, exclusive=KIND, input={"reason": reason})


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
    fitted = fit_model(work, reason=str(progress.job.input.get("reason", "by hand")))
    if fitted is None:
        raise JobFailed(ModelCard.objects.get(name=CARD).explanation)
    return {"model": fitted.pk, "k": fitted.k}


def choose_features(*, names: Iterable[str], by: User | None = None) -> PersonaSettings:
    """Say by which habits personas are found, in the order of the catalogue; none for the default ones.

    Personas stay as they are: the next fit goes by them, and its model waits to be taken. Raises
    ValidationError.
    """
    from personas.features import BY_NAME, FEATURES

    if by is not None:
        check(by, "persona.edit")
    wanted = set(names)
    unknown = wanted - BY_NAME.keys()
    if unknown:
        said = {"name": min(unknown), "allowed": BY_NAME, "listed_at": "GET /api/v1/persona-settings/"}
        words = _("There is no habit %(name)s.")
        raise ValidationError({"features": ValidationError(words, code="invalid_choice", params=said)})
    if len(wanted) == 1:
        raise ValidationError({"features": _("Choose at least two habits.")})
    default = wanted == {one.name for one in FEATURES if one.by_default}
    ordered = [] if default else [one.name for one in FEATURES if one.name in wanted]
    with transaction.atomic():
        kept, _made = PersonaSettings.objects.select_for_update().get_or_create(pk=1)
        before, kept.features = kept.features, ordered
        kept.changed_by, kept.changed_at = by, timezone.now()
        kept.save()
        if before != ordered:
            detail = {"before": before, "after": ordered}
            record_audit(by=by, verb="personas.features_chosen", target=kept, detail=detail)
    return kept


@transaction.atomic
def choose_number(*, finest: bool, by: User | None = None) -> PersonaSettings:
    """Say whether personas must lie apart, or be as many as hold still. The next fit goes by it."""
    if by is not None:
        check(by, "persona.edit")
    kept, _made = PersonaSettings.objects.select_for_update().get_or_create(pk=1)
    if kept.is_finest != finest:
        kept.is_finest = finest
        kept.save(update_fields=["is_finest"])
        record_audit(by=by, verb="personas.number_chosen", target=kept, detail={"finest": finest})
    return kept


@transaction.atomic
def choose(
    *, features: Iterable[str] | None = None, finest: bool | None = None, by: User | None = None
) -> PersonaSettings:
    """Choose habits and how many personas there are at once, both or neither; None leaves it as it is.

    Raises ValidationError.
    """
    if features is not None:
        choose_features(names=features, by=by)
    if finest is not None:
        choose_number(finest=finest, by=by)
    return persona_settings()


def persona_settings() -> PersonaSettings:
    """How this workspace finds personas, and who chose the habits; as it is by default where nobody did."""
    found = PersonaSettings.objects.select_related("changed_by").filter(pk=1).first()
    return found or PersonaSettings(pk=1)


def habits_offered(model: PersonaModel | None, wanted: PersonaSettings) -> list[dict[str, Any]]:
    """Every habit that is offered: whether it is chosen, used by the model, and known of how many."""
    from personas.features import FEATURES

    known = model.figures.get("known", {}) if model is not None else {}
    used = model.parameters.get("features", []) if model is not None else []
    return [
        {
            "name": one.name,
            "label": one.label,
            "more": one.more,
            "less": one.less,
            "caution": one.caution,
            "is_default": one.by_default,
            "is_chosen": one.name in wanted.features if wanted.features else one.by_default,
            "is_used": one.name in used,
            "known": known.get(one.name),
            "of": model.customers if model is not None else None,
        }
        for one in FEATURES
    ]


# Looking


def waiting() -> PersonaModel | None:
    """The model that waits to be looked at; None where there is none."""
    return PersonaModel.objects.filter(is_current=False, taken_at=None).order_by("-fitted_at").first()


def current() -> PersonaModel | None:
    """The model that everybody is assigned by; None while plain rules stand in."""
    return PersonaModel.objects.select_related("replaced").filter(is_current=True).first()


def earlier() -> list[PersonaModel]:
    """Models that were current once, the newest first."""
    return list(
        PersonaModel.objects.filter(is_current=False, taken_at__isnull=False).order_by("-taken_at")[:EARLIER]
    )


def moves(proposed: PersonaModel) -> list[Move]:
    """Who would move by it, the most first."""
    personas = {one.pk: one for one in Persona.objects.all()}
    names = proposed.parameters.get("names", [])
    rows = proposed.figures.get("moves", [])
    sizes = _sums(rows, "before")
    return [
        Move(
            before=_group(personas.get(row["before"]), _("no persona")),
            after=_group(personas.get(row["after"]), names[row["cluster"]], row["cluster"]),
            customers=row["customers"],
            of=sizes[row["before"]],
            sample=row.get("sample", ()),
        )
        for row in rows
    ]


def _group(persona: Persona | None, name: str, cluster: int | None = None) -> Group:
    return Group(persona, persona.name if persona is not None else name, cluster)


def _sums(rows: Sequence[Mapping[str, Any]], key: str) -> dict[Any, int]:
    found: dict[Any, int] = defaultdict(int)
    for row in rows:
        found[row[key]] += row["customers"]
    return found


def changes(proposed: PersonaModel) -> list[Change]:
    """What would happen to personas themselves, in words with figures; empty where each goes on as it is.

    One splits when at least a fifth of its members go to each of two or more; two merge when each makes at
    least a fifth of one.
    """
    told = moves(proposed)
    by_old: dict[int, list[Move]] = defaultdict(list)
    by_new: dict[int, list[Move]] = defaultdict(list)
    for move in told:
        if move.before.persona is not None:
            by_old[move.before.persona.pk].append(move)
        by_new[move.after.cluster or 0].append(move)
    return [*_splits(by_old), *_merges(by_new), *_gone(by_old, by_new), *_new(by_new)]


def _splits(by_old: Mapping[int, Sequence[Move]]) -> list[Change]:
    found = []
    for streams in by_old.values():
        large = [move for move in streams if move.customers >= FIFTH * move.of]
        if len(large) > 1:
            parts = "; ".join(_part(move, move.after.name) for move in large)
            text = _("“%(name)s” would split: of its %(of)s members %(parts)s.")
            named = {"name": large[0].before.name, "of": f"{large[0].of:,}", "parts": parts}
            found.append(Change("split", text % named))
    return found


def _part(move: Move, name: str) -> str:
    new = _(" (new)") if move.after.is_new else ""
    return _("%(n)s to “%(name)s”%(new)s") % {"n": f"{move.customers:,}", "name": name, "new": new}


def _merges(by_new: Mapping[int, Sequence[Move]]) -> list[Change]:
    found = []
    for streams in by_new.values():
        size = sum(move.customers for move in streams)
        large = [move for move in streams if move.before.persona and move.customers >= FIFTH * size]
        if len(large) > 1:
            parts = "; ".join(
                _("%(n)s from “%(name)s”") % {"n": f"{move.customers:,}", "name": move.before.name}
                for move in large
            )
            text = _("“%(name)s” would be a merger: of its %(of)s members %(parts)s.")
            found.append(
                Change("merge", text % {"name": large[0].after.name, "of": f"{size:,}", "parts": parts})
            )
    return found


def _gone(by_old: Mapping[int, Sequence[Move]], by_new: Mapping[int, Sequence[Move]]) -> list[Change]:
    """Personas that no group continues, also those without a member."""
    kept = {move.after.persona.pk for streams in by_new.values() for move in streams if move.after.persona}
    found = []
    for persona in Persona.objects.filter(is_active=True, cluster__isnull=False).exclude(pk__in=kept):
        streams = by_old.get(persona.pk, ())
        most = max(streams, key=lambda move: move.customers, default=None)
        to = _(" Most of them would go to “%(name)s”.") % {"name": most.after.name} if most else ""
        text = _("“%(name)s” would be gone; its card is kept. It has %(n)s members.%(to)s")
        members = f"{sum(move.customers for move in streams):,}"
        found.append(Change("gone", text % {"name": persona.name, "n": members, "to": to}))
    return found


def _new(by_new: Mapping[int, Sequence[Move]]) -> list[Change]:
    found = []
    for streams in by_new.values():
        size = sum(move.customers for move in streams)
        if streams[0].after.is_new:
            text = ngettext(
                "“%(name)s” would be new, with %(n)s customer.",
                "“%(name)s” would be new, with %(n)s customers.",
                size,
            )
            found.append(Change("new", text % {"name": streams[0].after.name, "n": f"{size:,}"}))
    return found


# Deciding


@transaction.atomic
def take(*, proposed: PersonaModel, by: User | None = None) -> Job:
    """Make it the current model, by a rebuild that assigns everybody.

    Raises ValidationError where it waits no more, and core.jobs.JobIsOpen.
    """
    proposed = _still_waiting(proposed)
    job = start_rebuild(take=proposed.pk, by=by)
    record_audit(by=by, verb="personas.model_taken", target=proposed)
    return job


@transaction.atomic
def take_back(*, to: PersonaModel, by: User | None = None) -> Job:
    """Return to a model that was current before, with its personas and all that people wrote on them.

    Raises ValidationError where it never was current, and core.jobs.JobIsOpen.
    """
    if to.is_current or to.taken_at is None or not to.personas:
        raise ValidationError(_("Only a model that was in use before can be returned to."))
    job = start_rebuild(take=to.pk, by=by)
    record_audit(by=by, verb="personas.model_taken_back", target=to)
    return job


def _still_waiting(proposed: PersonaModel) -> PersonaModel:
    gone = _("This model is gone: somebody put it away, or another one was found.")
    found = held(PersonaModel.objects.all(), proposed.pk, gone)
    if found.is_current or found.taken_at is not None:
        raise ValidationError(_("This model waits no more: it was taken."))
    return found


@transaction.atomic
def dismiss(*, proposed: PersonaModel, by: User | None = None) -> None:
    """Put it away; personas stay as they are. Raises ValidationError where it waits no more."""
    if by is not None:
        check(by, "rebuild.start")
    proposed = _still_waiting(proposed)
    record_audit(by=by, verb="personas.model_dismissed", target=proposed)
    proposed.delete()
