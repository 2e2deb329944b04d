"""What people say about a file."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from core.files import JSONL, Shape
from core.imports import importers
from core.models import ImportRun

MAX_UPLOAD = 500 * 1024 * 1024


def _kinds() -> list[tuple[str, str]]:
    return [(one.kind, one.label) for one in importers.values() if one.take is not None]


class UploadForm(forms.Form):
    """A file; what it is and who gave the ids in it may be left to be guessed."""

    file = forms.FileField(label=_("File"), help_text=_("CSV, Excel (.xlsx) or JSON Lines, up to 500 MB"))
    kind = forms.ChoiceField(
        choices=lambda: [("", _("Find out")), *_kinds()], required=False, label=_("What it holds")
    )
    source = forms.SlugField(
        max_length=50, required=False, label=_("Where it comes from"),
        help_text=_("A short name, such as zendesk or shop. Ids in the file are that source's own."),
    )  # fmt: skip

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_UPLOAD:
            raise forms.ValidationError(
                _("The file is larger than 500 MB. Split it, or import it on the server.")
            )
        return file


class ReadForm(forms.Form):
    """How the file is read."""

    kind = forms.ChoiceField(choices=_kinds, label=_("It holds"))
    sheet = forms.ChoiceField(required=False, label=_("Sheet"))
    header = forms.IntegerField(
        min_value=0,
        max_value=200,
        required=False,
        label=_("Row of the names"),
        help_text=_("0 where there is none"),
    )

    def __init__(self, *args: Any, shape: Shape, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["sheet"].choices = [(name, name) for name in shape.sheets]  # type: ignore[attr-defined]
        if len(shape.sheets) < 2:
            self.fields["sheet"].widget = forms.HiddenInput()
            self.fields["sheet"].choices = [(shape.sheet, shape.sheet)]  # type: ignore[attr-defined]
        if shape.format == JSONL:
            del self.fields["header"]

    @classmethod
    def of(cls, run: ImportRun) -> ReadForm:
        """The form as the file is read at this moment."""
        shape = Shape.of_json(run.shape)
        return cls(shape=shape, initial={"kind": run.kind, "sheet": shape.sheet, "header": shape.header})

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        return {"kind": found.get("kind", ""), "sheet": found.get("sheet", ""), "header": found.get("header")}
