"""What staff type in about consents."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.consent_requests import mailboxes
from crm.consents import MAX_PROOF
from crm.models import Customer, Identity
from crm.purposes import PURPOSES


def _purposes() -> list[tuple[str, Any]]:
    return [(purpose.name, purpose.label) for purpose in PURPOSES.values()]


class ConsentForm(forms.Form):
    """A word of a customer that somebody heard."""

    identity = forms.ModelChoiceField(queryset=Identity.objects.none())
    purpose = forms.ChoiceField(choices=_purposes)
    given = forms.TypedChoiceField(choices=[("1", _("Yes")), ("0", _("No"))], coerce=lambda text: text == "1")
    whole_person = forms.BooleanField(required=False)
    at = forms.DateTimeField(required=False)
    proof = forms.CharField(max_length=MAX_PROOF)

    def __init__(self, *args: Any, customer: Customer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["identity"].queryset = customer.identities.all()  # type: ignore[attr-defined]


class AskForm(forms.Form):
    """A question by mail."""

    identity = forms.ModelChoiceField(queryset=Identity.objects.none())
    purpose = forms.ChoiceField(choices=_purposes)
    mailbox = forms.TypedChoiceField(required=False, coerce=int, empty_value=None)

    def __init__(self, *args: Any, customer: Customer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["identity"].queryset = customer.identities.all()  # type: ignore[attr-defined]
        self.fields["mailbox"].choices = mailboxes()  # type: ignore[attr-defined]


class LinkForm(forms.Form):
    """For which identity a link to the customer's own page is made."""

    identity = forms.ModelChoiceField(queryset=Identity.objects.none())

    def __init__(self, *args: Any, customer: Customer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["identity"].queryset = customer.identities.all()  # type: ignore[attr-defined]
