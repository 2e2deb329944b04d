"""Forms about privacy."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.privacy.retention import LONGEST_DAYS, Rule


class EraseForm(forms.Form):
    """The word that has to be typed before somebody is erased."""

    word = forms.CharField(max_length=40, label=_("Type the customer's number"))
    reason = forms.ChoiceField(
        choices=[("request", _("They asked for it")), ("mistake", _("Kept by mistake"))], label=_("Why")
    )

    def __init__(self, *args: Any, number: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.number = number
        self.fields["word"].label = _("Type %(number)s, the customer's number, to go on") % {"number": number}

    def clean_word(self) -> str:
        """The number as it stands on the page."""
        word: str = self.cleaned_data["word"].strip()
        if word != str(self.number):
            raise forms.ValidationError(_("Type %(number)s.") % {"number": self.number})
        return word


class RuleForm(forms.Form):
    """One retention rule: on or off, and after how many days."""

    is_on = forms.BooleanField(required=False, label=_("Delete"))
    days = forms.IntegerField(min_value=1, max_value=LONGEST_DAYS, label=_("Days"))

    def __init__(self, data: Any = None, *, rule: Rule) -> None:
        initial = {"is_on": rule.is_on, "days": rule.days}
        super().__init__(data, prefix=rule.kind.name, initial=initial)
        self.rule = rule
