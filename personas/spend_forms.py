"""Forms about what advertising cost, and the span that results are asked for."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from core import networks
from core.models import Workspace
from personas.models import AdSpend
from personas.reach.results import LONGEST, Span
from personas.reach.spend import EARLIEST, LARGEST, MOST_DAYS

DAYS = 90


def day_input() -> forms.DateInput:
    """A day as the browser's own calendar gives it."""
    return forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


def network_choices() -> list[tuple[str, str]]:
    """Every network we know, by its label."""
    return [(one.name, one.label) for one in networks.known()]


class SpanForm(forms.Form):
    """The days of a page; what is left out or cannot be is the last 90 days."""

    first = forms.DateField(required=False, widget=day_input(), label=_("From"))
    last = forms.DateField(required=False, widget=day_input(), label=_("Until"))

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        today = Workspace.current().today()
        last = values.get("last") or today
        if not EARLIEST + timedelta(days=DAYS) <= last <= today + timedelta(days=MOST_DAYS):
            raise ValidationError(_("The last day is after 2000 and at most a year ahead."))
        first = values.get("first") or last - timedelta(days=DAYS - 1)
        if first < EARLIEST or not 0 <= (last - first).days < LONGEST:
            words = _("A span has 1 to %(most)s days, the first before the last.")
            raise ValidationError(words, params={"most": LONGEST})
        return {"first": first, "last": last}

    def span(self) -> Span:
        """What was asked for, or the last 90 days where that cannot be."""
        if self.is_valid():
            return Span(self.cleaned_data["first"], self.cleaned_data["last"])
        today = Workspace.current().today()
        return Span(today - timedelta(days=DAYS - 1), today)


class SpendForm(forms.Form):
    """What a campaign cost on a day, or over a span of days."""

    network = forms.ChoiceField(choices=network_choices, label=_("Network"))
    campaign = forms.CharField(
        max_length=160,
        required=False,
        label=_("Campaign"),
        help_text=_("As it stands in utm_campaign, so that orders find it; empty for the network as a whole"),
    )
    first_day = forms.DateField(widget=day_input(), label=_("Day, or the first of several"))
    last_day = forms.DateField(
        widget=day_input(),
        required=False,
        label=_("Last day"),
        help_text=_("Then the amount is spread evenly over the days"),
    )
    amount = forms.DecimalField(
        min_value=Decimal(0), max_value=LARGEST, decimal_places=2, label=_("What it cost in all")
    )
    currency = forms.CharField(min_length=3, max_length=3, label=_("Currency"))

    def __init__(self, *args: Any, **options: Any) -> None:
        workspace = Workspace.current()
        options.setdefault("initial", {"currency": workspace.currency, "first_day": workspace.today()})
        super().__init__(*args, **options)

    def values(self) -> dict[str, Any]:
        """What `enter_spend` takes."""
        found = dict(self.cleaned_data)
        found["last_day"] = found["last_day"] or found["first_day"]
        return found


class AmountForm(forms.ModelForm):
    """Another amount for a day that is here."""

    class Meta:
        model = AdSpend
        fields = ("amount", "currency")


def add_problems(form: forms.BaseForm, error: ValidationError) -> None:
    """Put what a service refused under the fields it belongs to."""
    if not hasattr(error, "error_dict"):
        form.add_error(None, error)
        return
    for name, problems in error.error_dict.items():
        form.add_error(name if name in form.fields else None, problems)
