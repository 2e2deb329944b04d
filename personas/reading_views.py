"""The page about how texts are read: languages, moods, reasons, labels, and reading everything again."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from itertools import islice
from typing import Any

from django.contrib import messages as flash
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import requires, staff
from accounts.querysets import team_ids
from core.jobs import JobIsOpen
from core.models import Job, Workspace
from core.paging import Sort, desc, page_for
from engagement.contact_reasons import choose_tags
from engagement.models import Interaction, LabelSource, MoodLabel
from engagement.moods import MOODS, MOST_IMPORTED, drawn, import_labels, set_mood, take_back
from engagement.rereading import KIND, preview, start_reread
from personas.models import Persona
from personas.text import jobs
from personas.text.state import mood_states, read_so_far, reason_state
from personas.topics import TopicFigure, by_persona

LABEL_SORTS = {"-at": Sort(desc("at"))}
LABELS_SHOWN = 20
TOPIC_DAYS = (30, 90, 365)
LARGEST_FILE = 10 * 1024 * 1024
TAG_CHOICES: dict[str, bool | None] = {"yes": True, "no": False, "": None}
REFUSALS_SHOWN = 5


@require_GET
@requires("persona.read")
def reading(request: HttpRequest) -> HttpResponse:
    """How texts are read, and how good what reads them is."""
    context: dict[str, Any] = {
        "read": read_so_far(),
        "moods": mood_states(),
        "reasons": reason_state(),
        "languages": Workspace.current().languages,
        "job": Job.objects.filter(kind__in=[KIND, jobs.KIND]).order_by("-created_at").first(),
    }
    return render(request, "personas/reading.html", context)


# Topics


@require_GET
@requires("persona.read")
def reading_topics(request: HttpRequest) -> HttpResponse:
    """What each persona speaks of, and what of it grows; of the teams this person sees."""
    asked = request.GET.get("days", "")
    days = int(asked) if asked in {str(one) for one in TOPIC_DAYS} else TOPIC_DAYS[0]
    until = Workspace.current().today()
    since = until - timedelta(days=days - 1)
    found = by_persona(since, until, teams=list(team_ids(request.user)))
    context = {
        "groups": _groups(found),
        "days": days,
        "choices": TOPIC_DAYS,
        "since": since,
        "until": until,
    }
    return render(request, "personas/reading_topics.html", context)


def _groups(found: dict[int, list[TopicFigure]]) -> list[tuple[Persona | None, int, list[TopicFigure]]]:
    """Each persona with what its people said in all; nobody's last."""
    personas = {one.pk: one for one in Persona.objects.filter(pk__in=found)}
    rows = [(personas.get(pk), figures[0].base, figures) for pk, figures in found.items() if figures]
    return sorted(rows, key=lambda row: (row[0] is None, row[0].rank if row[0] else 0, -row[1]))


# Labels


@require_GET
@requires("reading.correct")
def label_list(request: HttpRequest) -> HttpResponse:
    """Labels, the newest first, of the messages that this person's teams see and of imports."""
    page = page_for(request, _labels(request), sorts=LABEL_SORTS, default="-at", limit=LABELS_SHOWN)
    return render(request, "personas/reading_labels.html", {"page": page})


def _labels(request: HttpRequest) -> QuerySet[MoodLabel]:
    seen = Interaction.objects.visible_to(request.user).values("pk")
    rows = MoodLabel.objects.select_related("interaction__account", "by")
    return rows.filter(interaction__in=seen) | rows.filter(interaction=None)


@require_POST
@requires("reading.correct")
def label_take_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget one label."""
    label = get_object_or_404(_labels(request), pk=pk)
    take_back(label=label, by=staff(request))
    flash.success(request, _("The label is gone; its message is read by the reader again."))
    return redirect("personas:label-list")


@require_http_methods(["GET", "POST"])
@requires("reading.correct")
def reading_draw(request: HttpRequest) -> HttpResponse:
    """A message drawn at random; posting its mood shows the next one."""
    problem = ""
    if request.method == "POST":
        problem = _judge(request)
    context = {"line": drawn(staff(request)), "problem": problem, "moods": mood_states()}
    return render(request, "personas/_reading_draw.html", context)


def _judge(request: HttpRequest) -> str:
    """Keep what was said of the message; what is wrong with it, else ''."""
    asked, mood = request.POST.get("line", ""), MOODS.get(request.POST.get("mood", ""))
    if mood is None or not (asked.isascii() and asked.isdigit() and len(asked) < 19):
        return _("Say how the message sounds.")
    line = get_object_or_404(Interaction.objects.visible_to(request.user), pk=int(asked))
    try:
        set_mood(interaction=line, mood=mood, by=staff(request), source=LabelSource.SAMPLE)
    except ValidationError as error:
        return " ".join(error.messages)
    return ""


@require_POST
@requires("reading.manage")
def label_import(request: HttpRequest) -> HttpResponse:
    """Labels from a file with the columns text and label."""
    file = request.FILES.get("file")
    try:
        rows = _rows_of(file.read(LARGEST_FILE + 1) if file else b"")
        found = import_labels(rows=rows, by=staff(request))
    except ValidationError as error:
        flash.error(request, " ".join(error.messages))
        return redirect("personas:label-list")
    taken = ngettext("%(n)s label taken.", "%(n)s labels taken.", found.taken) % {"n": found.taken}
    flash.success(request, _("%(taken)s %(n)s known already.") % {"taken": taken, "n": found.repeated})
    for refusal in found.refused[:REFUSALS_SHOWN]:
        flash.warning(request, refusal)
    if len(found.refused) > REFUSALS_SHOWN:
        flash.warning(request, _("%(n)s lines were not taken in all.") % {"n": len(found.refused)})
    return redirect("personas:label-list")


def _rows_of(content: bytes) -> list[tuple[str, str]]:
    if not content:
        raise ValidationError(_("Choose a file."))
    if len(content) > LARGEST_FILE:
        raise ValidationError(_("The file is larger than 10 MB."))
    lines = csv.DictReader(io.StringIO(content.decode("utf-8-sig", "replace")))
    try:
        names = {(name or "").strip().lower(): name for name in lines.fieldnames or ()}
        if not {"text", "label"} <= set(names):
            raise ValidationError(_("The first line must name the columns text and label."))
        rows = [
            (row[names["text"]] or "", row[names["label"]] or "") for row in islice(lines, MOST_IMPORTED + 1)
        ]
    except csv.Error as error:
        raise ValidationError(_("This is no CSV: %(error)s") % {"error": error}) from error
    if len(rows) > MOST_IMPORTED:
        raise ValidationError(_("The file has more than %(most)s lines.") % {"most": MOST_IMPORTED})
    return rows


# Tags and jobs


@require_POST
@requires("reading.manage")
def reason_tags(request: HttpRequest) -> HttpResponse:
    """Which tags count as reasons for contact."""
    chosen = {
        int(name[4:]): TAG_CHOICES[value]
        for name, value in request.POST.items()
        if name.startswith("tag-")
        and name[4:].isascii()
        and name[4:].isdigit()
        and len(name) < 23
        and value in TAG_CHOICES
    }
    choose_tags(chosen=chosen, by=staff(request))
    flash.success(request, _("Kept. The next rebuild follows it."))
    return redirect("personas:reading")


@require_POST
@requires("reading.manage")
def reading_train(request: HttpRequest) -> HttpResponse:
    """Try models now rather than in the night."""
    return _started(request, jobs.start_training)


@require_GET
@requires("reading.manage")
def reread_preview(request: HttpRequest) -> HttpResponse:
    """What reading everything again would change, on a sample."""
    return render(request, "personas/_reread_preview.html", {"found": preview(by=staff(request))})


@require_POST
@requires("reading.manage")
def reread(request: HttpRequest) -> HttpResponse:
    """Read everything again."""
    return _started(request, start_reread)


def _started(request: HttpRequest, start: Any) -> HttpResponse:
    try:
        start(by=staff(request))
    except JobIsOpen as error:
        flash.warning(request, str(error))
    return redirect("personas:reading")
