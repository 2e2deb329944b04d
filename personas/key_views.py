"""Pages of publishable keys: all of them, a new one with its secret, and revoking."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import requires, staff
from core.paging import Sort, desc, page_for
from personas.models import PublishableKey, Segment
from personas.reach.keys import make_key, revoke_key
from personas.spend_forms import add_problems

KEY_SORTS = {"-created": Sort(desc("created_at"))}
LISTED = 200


def _segments() -> list[tuple[str, str]]:
    rows = Segment.objects.order_by("name").values_list("pk", "name")[:LISTED]
    return [(str(pk), name) for pk, name in rows]


class KeyForm(forms.Form):
    """What a key may tell, and to which pages."""

    name = forms.CharField(max_length=120, label=gettext_lazy("Name"))
    origins = forms.CharField(
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3}),
        label=gettext_lazy("Pages that may ask"),
        help_text=gettext_lazy("One origin a line, such as https://shop.example"),
    )
    tells_persona = forms.BooleanField(required=False, initial=True, label=gettext_lazy("Tell the persona"))
    tells_category = forms.BooleanField(
        required=False, initial=True, label=gettext_lazy("Tell the likely next category")
    )
    segments = forms.MultipleChoiceField(
        choices=_segments,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Segments that may be told"),
        help_text=gettext_lazy("Visitors can read the names of what is told in their browsers"),
    )


@require_GET
@requires("personalize.manage")
def key_list(request: HttpRequest) -> HttpResponse:
    """All keys, the newest first; revoked ones stay to be seen."""
    keys = PublishableKey.objects.select_related("created_by").prefetch_related("segments")
    page = page_for(request, keys, sorts=KEY_SORTS, default="-created")
    return render(request, "personas/key_list.html", {"page": page})


@require_http_methods(["GET", "POST"])
@requires("personalize.manage")
def key_new(request: HttpRequest) -> HttpResponse:
    """Make a key; the answer shows its secret, and nothing ever shows it again."""
    form = KeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            key, secret = make_key(**_values(form.cleaned_data), by=staff(request))
        except ValidationError as error:
            add_problems(form, error)
        else:
            context = {"key": key, "secret": secret, "home": settings.PUBLIC_URL}
            answer = render(request, "personas/key_made.html", context)
            answer["Cache-Control"] = "no-store"
            return answer
    return render(request, "personas/key_new.html", {"form": form}, status=422 if form.errors else 200)


def _values(cleaned: dict[str, Any]) -> dict[str, Any]:
    segments = list(Segment.objects.filter(pk__in=cleaned["segments"]))
    return {**cleaned, "origins": cleaned["origins"].split(), "segments": segments}


@require_POST
@requires("personalize.manage")
def key_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a key for good."""
    key = get_object_or_404(PublishableKey, pk=pk)
    revoke_key(key=key, by=staff(request))
    messages.success(
        request, _("“%(name)s” is revoked; the next call with it is refused.") % {"name": key.name}
    )
    return redirect("personas:key-list")
