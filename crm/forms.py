"""What people type about customers."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from core import networks
from core.imports import importers
from crm.models import Customer, Tag


class CustomerForm(forms.ModelForm):
    """The profile of a customer."""

    class Meta:
        model = Customer
        fields = (
            "name", "kind", "stage", "language", "country", "city", "birth_year", "job", "company",
            "profiling_refused", "note",
        )  # fmt: skip
        labels: ClassVar = {
            "stage": _("Journey stage"),
            "birth_year": _("Year of birth"),
            "job": _("Works as"),
            "company": _("At"),
            "profiling_refused": _("Leave out of personas and predictions"),
        }
        help_texts: ClassVar = {
            "language": _("A language tag, such as en"),
            "country": _("Two letters, such as BE"),
            "profiling_refused": _("For somebody who does not want to be profiled"),
        }
        widgets: ClassVar = {"note": forms.Textarea(attrs={"rows": 4})}

    def clean_country(self) -> str:
        return str(self.cleaned_data["country"]).upper()


def _network_choices() -> list[tuple[str, str]]:
    return [(network.name, network.label) for network in networks.known()]


def _kind_choices() -> list[tuple[str, str]]:
    return [(importer.kind, importer.label) for importer in importers.values()]


class IdentityForm(forms.Form):
    """A handle to be attached."""

    network = forms.ChoiceField(choices=_network_choices, label=_("Network"))
    external_id = forms.CharField(max_length=320, label=_("Handle, address or number"))


class TagForm(forms.Form):
    """A word to be put on a customer."""

    name = forms.CharField(max_length=60, label=_("Tag"))

    def tag(self) -> Tag:
        """The tag of this name, made where it is new."""
        name = self.cleaned_data["name"].strip()
        return Tag.objects.filter(name__iexact=name).first() or Tag.objects.create(name=name)


class ImportForm(forms.Form):
    """A file of customers' words or purchases."""

    kind = forms.ChoiceField(choices=_kind_choices, label=_("What the file holds"))
    file = forms.FileField(label=_("File"), help_text=_("CSV or JSON Lines, UTF-8, up to 500 MB"))
    source = forms.SlugField(
        max_length=60, required=False, initial="import", label=_("Shop"),
        help_text=_("For orders: the shop's short name. Order and customer numbers are its own."),
    )  # fmt: skip

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if not file.name.lower().endswith((".csv", ".jsonl", ".ndjson", ".json")):
            raise forms.ValidationError(_("Give a .csv or .jsonl file."))
        if file.size > 500 * 1024 * 1024:
            raise forms.ValidationError(
                _("The file is larger than 500 MB. Split it, or import it on the server.")
            )
        return file
