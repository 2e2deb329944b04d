"""Forms about staff, teams, keys, the workspace and one's own account."""

from __future__ import annotations

import zoneinfo
from functools import cache
from typing import Any, ClassVar

import phonenumbers
from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from accounts.models import AVATAR_TONES, Role, Team, User
from accounts.permissions import LABELS, SCOPES, can
from core.models import Workspace

CURRENCIES = [
    "AED",
    "ARS",
    "AUD",
    "BDT",
    "BGN",
    "BRL",
    "CAD",
    "CHF",
    "CLP",
    "CNY",
    "COP",
    "CZK",
    "DKK",
    "EGP",
    "EUR",
    "GBP",
    "GHS",
    "HKD",
    "HUF",
    "IDR",
    "ILS",
    "INR",
    "ISK",
    "JPY",
    "KES",
    "KRW",
    "MAD",
    "MXN",
    "MYR",
    "NGN",
    "NOK",
    "NZD",
    "PEN",
    "PHP",
    "PKR",
    "PLN",
    "RON",
    "RSD",
    "SAR",
    "SEK",
    "SGD",
    "THB",
    "TND",
    "TRY",
    "TWD",
    "TZS",
    "UAH",
    "UGX",
    "USD",
    "UYU",
    "VND",
    "ZAR",
]
WEEK_DAYS = [
    (1, _("Monday")),
    (2, _("Tuesday")),
    (3, _("Wednesday")),
    (4, _("Thursday")),
    (5, _("Friday")),
    (6, _("Saturday")),
    (7, _("Sunday")),
]


@cache
def zones() -> list[str]:
    """Time zones that are places, and UTC."""
    places = (zone for zone in zoneinfo.available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    return ["UTC", *sorted(places)]


def zone_choices(empty: Any = None) -> list[tuple[str, Any]]:
    """Choices of a zone field; `empty` is the label of having none."""
    first = [("", empty)] if empty else []
    return first + [(zone, zone.replace("_", " ")) for zone in zones()]


class PasswordField(forms.CharField):
    """A new password, checked by the installation's rules."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
        super().__init__(strip=False, widget=widget, label=_("Password"), **kwargs)
        self.help_text = _("At least 10 characters, and not one that everybody uses.")


class _WithPassword(forms.Form):
    """Checks the password against what is known of the person."""

    def email_for_password(self) -> str:
        return str(self.cleaned_data.get("email", ""))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "password" in cleaned:
            person = User(email=self.email_for_password(), name=cleaned.get("name", ""))
            try:
                validate_password(cleaned["password"], person)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return cleaned


class AcceptInvitationForm(_WithPassword):
    """What an invited person adds to the invitation."""

    name = forms.CharField(
        label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = PasswordField()

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def email_for_password(self) -> str:
        return self.email


class FirstAdminForm(_WithPassword):
    """The first admin, and what the workspace must know before anything comes in."""

    name = forms.CharField(
        label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    email = forms.EmailField(
        label=_("Your e-mail"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )
    password = PasswordField()
    workspace = forms.CharField(label=_("Name of your business"), max_length=120)
    zone = forms.ChoiceField(label=_("Time zone of your business"), choices=zone_choices)
    currency = forms.ChoiceField(label=_("Currency"), choices=[(code, code) for code in CURRENCIES])


class InviteForm(forms.Form):
    """Who is invited, as what, into which teams."""

    email = forms.EmailField(
        label=_("E-mail"),
        max_length=254,
        error_messages={"required": _("Type the address that the invitation goes to.")},
    )
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.AGENT)
    teams = forms.ModelMultipleChoiceField(
        label=_("Teams"),
        queryset=Team.objects.all(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Nobody chosen: the general team. Admins and managers see all teams."),
    )


class StaffForm(forms.Form):
    """Role and teams of somebody who works here."""

    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)
    teams = forms.ModelMultipleChoiceField(
        label=_("Teams"), queryset=Team.objects.all(), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, user: User, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {"role": user.role, "teams": user.teams.all()}
        if not can(by, "staff.manage"):
            self.fields["role"].disabled = True
            self.fields["role"].help_text = _("Only an admin changes roles.")


class TeamForm(forms.Form):
    """A team's name and who belongs to it."""

    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        error_messages={"required": _("Give it a name your staff will know, such as “Workshop”.")},
    )
    members = forms.ModelMultipleChoiceField(
        label=_("Members"),
        queryset=User.objects.filter(is_active=True),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )


class APIKeyForm(forms.Form):
    """What a key is for and what it may do."""

    name = forms.CharField(
        label=_("What it is for"),
        max_length=80,
        widget=forms.TextInput(attrs={"placeholder": _("Web shop")}),
        error_messages={"required": _("Name the system that will use it, such as “Web shop”.")},
    )
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one thing the key may do.")},
    )

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # With the verb, since a call that lacks a right is answered by its verb.
        named = [(verb, f"{LABELS[verb]} ({verb})") for verb in SCOPES if can(by, verb)]
        self.fields["scopes"].choices = named  # type: ignore[attr-defined]


class ProfileForm(forms.ModelForm):
    """One's own name, zone, language, look and color."""

    zone = forms.ChoiceField(label=_("Time zone"), required=False)
    language = forms.ChoiceField(label=_("Language"))
    tone = forms.TypedChoiceField(
        label=_("Color of your initials"),
        coerce=int,
        choices=[(n, _("Color %(n)s") % {"n": n}) for n in range(1, AVATAR_TONES + 1)],
        widget=forms.RadioSelect,
    )

    class Meta:
        model = User
        fields: ClassVar = ["name", "zone", "language", "theme", "tone"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = True
        self.fields["zone"].choices = zone_choices(_("The workspace's"))  # type: ignore[attr-defined]
        self.fields["language"].choices = settings.LANGUAGES  # type: ignore[attr-defined]


class WorkspaceForm(forms.ModelForm):
    """What the whole installation is called, and how it counts days and money."""

    zone = forms.ChoiceField(
        label=_("Time zone"), choices=zone_choices, help_text=_("Days of dashboards and rebuilds begin here.")
    )
    country = forms.ChoiceField(
        label=_("Country"), help_text=_("How phone numbers without a prefix are read.")
    )
    currency = forms.CharField(
        label=_("Currency"),
        max_length=3,
        validators=[RegexValidator(r"^[A-Z]{3}$", _("Three capital letters, such as EUR."))],
        widget=forms.TextInput(attrs={"list": "currencies", "autocomplete": "off"}),
        help_text=_(
            "Sums are shown in it. Orders that are here already keep the sums they were counted with."
        ),
    )
    week_start = forms.TypedChoiceField(label=_("The week begins on"), coerce=int, choices=WEEK_DAYS)

    class Meta:
        model = Workspace
        fields: ClassVar = ["name", "zone", "country", "currency", "week_start"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        regions = sorted(phonenumbers.SUPPORTED_REGIONS)
        self.fields["country"].choices = [(code, code) for code in regions]  # type: ignore[attr-defined]
        self.fields["country"].widget.attrs["data-names"] = "region"

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()


class AuditFilterForm(forms.Form):
    """What the audit trail is narrowed to; a value that cannot be read is left out."""

    actor = forms.ModelChoiceField(
        label=_("Who"), queryset=User.objects.all(), required=False, empty_label=_("Everybody")
    )
    verb = forms.CharField(required=False, max_length=60)
    since = forms.DateField(label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=_("To"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    object = forms.CharField(required=False, max_length=130, widget=forms.HiddenInput)

    def wanted(self) -> dict[str, Any]:
        """The fields that were filled and understood."""
        self.is_valid()
        return {name: value for name, value in getattr(self, "cleaned_data", {}).items() if value}
