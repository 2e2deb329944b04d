"""The card of one persona: the page to read and to print, and what people write on it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import requires, staff
from core.holding import Gone
from personas import authoring
from personas.authoring import ChangedMeanwhile
from personas.card_forms import CardForm, NoteForm
from personas.models import NotePart, Persona, PersonaNote
from personas.nightly import newest_rebuild
from personas.sheets import notes_by_part, sheet_for_staff

_WITH_WRITER = Persona.objects.select_related("edited_by", "segment")


@require_GET
@requires("persona.read")
def persona_page(request: HttpRequest, pk: int) -> HttpResponse:
    """One persona as a page to read and to print."""
    persona = get_object_or_404(_WITH_WRITER, pk=pk)
    context = {**sheet_for_staff(persona), "rebuild": newest_rebuild(), "reader": staff(request)}
    return render(request, "personas/persona.html", context)


@require_http_methods(["GET", "POST"])
@requires("persona.edit")
def persona_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """What people write on a persona; the rebuild never touches it."""
    persona = get_object_or_404(_WITH_WRITER, pk=pk)
    form = CardForm(request.POST or None, instance=Persona.objects.get(pk=pk))
    theirs: list[tuple[Any, str]] = []
    if request.method == "POST" and form.is_valid():
        try:
            words, seen = form.words(), form.cleaned_data["seen"]
            authoring.edit_persona(persona=persona, words=words, seen=seen, by=staff(request))
        except ChangedMeanwhile as error:
            form.add_error(None, error)
            theirs = _differing(form, error.persona)
            form = _opened_anew(form, error.persona)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("Saved. Every rebuild keeps it."))
            return redirect("personas:persona-detail", pk)
    context = {"form": form, "persona": persona, "theirs": theirs, "parts": _parts(persona)}
    return render(request, "personas/persona_edit.html", context, status=422 if form.errors else 200)


def _differing(form: CardForm, held: Persona) -> list[tuple[Any, str]]:
    """Each field in which what was typed differs from what stands there now, with the latter."""
    return [
        (form[name].label, str(getattr(held, name)))
        for name, typed in form.words().items()
        if typed != getattr(held, name)
    ]


def _opened_anew(form: CardForm, held: Persona) -> CardForm:
    """The same words in a form of today's state: saving it once more is a decision."""
    data = {**form.data.dict(), "seen": str(held.edits)}  # type: ignore[attr-defined]
    again = CardForm(data, instance=Persona.objects.get(pk=held.pk))
    again.is_valid()
    for error in form.non_field_errors():
        again.add_error(None, error)
    return again


# Notes, each part a fragment of its own


def _parts(persona: Persona) -> list[dict[str, Any]]:
    found = notes_by_part(persona.notes.select_related("by").order_by("at", "pk"))
    return [_part(persona, part, found[part.value]) for part in NotePart]


def _part(
    persona: Persona, part: NotePart, notes: list[PersonaNote], form: NoteForm | None = None
) -> dict[str, Any]:
    rows = [{"note": note, "form": NoteForm(instance=note, auto_id=f"id_n{note.pk}_%s")} for note in notes]
    empty = NoteForm(auto_id=f"id_{part.value}_%s")
    return {
        "persona": persona,
        "part": part,
        "rows": rows,
        "form": form or empty,
        "is_open": form is not None,
    }


@require_POST
@requires("persona.edit")
def note_add(request: HttpRequest, pk: int, part: str) -> HttpResponse:
    """Write a note on one part of the card."""
    persona = get_object_or_404(Persona, pk=pk)
    if part not in NotePart.values:
        raise Http404
    form = NoteForm(request.POST, auto_id=f"id_{part}_%s")
    if form.is_valid():
        try:
            given = {name: text for name, text in form.cleaned_data.items() if name != "seen"}
            authoring.add_note(persona=persona, part=part, by=staff(request), **given)
        except ValidationError as error:
            form.add_error(None, error)
    return _answer(request, persona, part, form if form.errors else None)


@require_POST
@requires("persona.edit")
def note_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Write a note anew."""
    note = get_object_or_404(PersonaNote.objects.select_related("persona"), pk=pk)
    form = NoteForm(request.POST, auto_id=f"id_n{note.pk}_%s")
    if form.is_valid():
        try:
            authoring.edit_note(note=note, by=staff(request), **form.cleaned_data)
        except Gone as error:
            # What was typed stands in the form of another note: saving it writes it anew.
            form = NoteForm(request.POST, auto_id=f"id_{note.part}_%s")
            form.add_error(None, error)
            return _answer(request, note.persona, note.part, form)
        except ValidationError as error:
            form.add_error(None, error)
            # Saving the same words once more is a decision.
            held = PersonaNote.objects.get(pk=pk)
            form.data = {**request.POST.dict(), "seen": authoring.note_state(held)}
    return _answer(request, note.persona, note.part, changed=(note.pk, form) if form.errors else None)


@require_POST
@requires("persona.edit")
def note_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a note off the card."""
    note = get_object_or_404(PersonaNote.objects.select_related("persona"), pk=pk)
    with suppress(Gone):
        authoring.delete_note(note=note, by=staff(request))
    return _answer(request, note.persona, note.part)


def _answer(
    request: HttpRequest,
    persona: Persona,
    part: str,
    form: NoteForm | None = None,
    changed: tuple[int, NoteForm] | None = None,
) -> HttpResponse:
    """The part again, for htmx; without it, the page. `changed` is a note's form that has mistakes."""
    if not getattr(request, "htmx", False) and not (form or changed):
        return redirect(f"{redirect('personas:persona-edit', persona.pk).url}#notes-{part}")
    notes = persona.notes.filter(part=part).select_related("by").order_by("at", "pk")
    context = _part(persona, NotePart(part), list(notes), form)
    for row in context["rows"]:
        if changed and row["note"].pk == changed[0]:
            row |= {"form": changed[1], "is_open": True}
    status = 422 if form or changed else 200
    return render(request, "personas/_note_part.html", context, status=status)
