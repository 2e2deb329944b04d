"""What people type about customers."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import zone_choices
from accounts.models import User
from core import networks
from crm import custom_fields
from crm.facts import CUSTOM
from crm.models import Customer, CustomField, FieldType, Tag
from crm.profile import sayings
from crm.serializers import LANGUAGE
from crm.tagging import tag_called


class CustomerForm(forms.ModelForm):
    """The profile of a customer, the workspace's own fields included.

    Each field says beneath it who told what stands there.
    """

    interests = forms.CharField(
        required=False, max_length=2000, label=_("Interests"), help_text=_("Words, separated by commas")
    )

    class Meta:
        model = Customer
        fields = (
            "name", "kind", "owner", "language", "zone", "country", "city", "birth_year", "job", "profession",
            "company", "referred_by", "note",
        )  # fmt: skip
        labels: ClassVar = {
            "owner": _("Looked after by"),
            "zone": _("Time zone"),
            "birth_year": _("Year of birth"),
            "job": _("Works as"),
            "profession": _("Profession"),
            "company": _("At"),
            "referred_by": _("Referred by"),
            "note": _("Read this first"),
        }
        help_texts: ClassVar = {
            "language": _("A language tag, such as en"),
            "country": _("Two letters, such as BE"),
            "profession": _("Field of work, such as nursing"),
            "company": _("As they say it; an organization we know is added on the customer's page"),
            "note": _("Stands at the top of the customer's page"),
        }
        widgets: ClassVar = {"note": forms.Textarea(attrs={"rows": 4}), "referred_by": forms.RadioSelect}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["owner"].queryset = User.objects.filter(is_active=True).order_by("name")  # type: ignore[attr-defined]
        self.fields["owner"].empty_label = _("Nobody")  # type: ignore[attr-defined]
        self.fields["referred_by"].queryset = Customer.objects.roots()  # type: ignore[attr-defined]
        self.fields["zone"] = forms.ChoiceField(
            required=False, label=_("Time zone"), choices=zone_choices(_("Not known"))
        )
        self.initial["interests"] = ", ".join(self.instance.interests or ())
        self.own = {f"own_{field.key}": field for field in custom_fields.fields()}
        for name, field in self.own.items():
            self.fields[name] = own_field(field)
            self.initial[name] = typed(self.instance.custom.get(field.key))
        self.order_fields(["name", "kind", "note", "owner", "job", "profession", "company", "interests"])
        self._say_origins()

    def _say_origins(self) -> None:
        said = sayings(self.instance) if self.instance.pk else {}
        for name, field in self.fields.items():
            own = self.own.get(name)
            origin = said.get(f"{CUSTOM}{own.key}" if own else name, "")
            field.help_text = " · ".join(str(part) for part in (field.help_text, origin) if part)

    def clean_country(self) -> str:
        return str(self.cleaned_data["country"]).upper()

    def clean_language(self) -> str:
        language = str(self.cleaned_data["language"]).strip()
        if language:
            LANGUAGE(language)
        return language

    def clean_interests(self) -> list[str]:
        words = [word.strip() for word in self.cleaned_data["interests"].split(",")]
        if any(len(word) > 60 for word in words):
            raise forms.ValidationError(_("Each interest has at most 60 characters."))
        return [word for word in words if word]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name, field in self.own.items():
            try:
                cleaned[name] = custom_fields.clean_value(field, cleaned.get(name))
            except ValueError as error:
                self.add_error(name, str(error))
        return cleaned

    def values(self) -> dict[str, Any]:
        """What was typed, as `crm.services` takes it."""
        own = {f"{CUSTOM}{field.key}": self.cleaned_data[name] for name, field in self.own.items()}
        known = {name: value for name, value in self.cleaned_data.items() if name not in self.own}
        return {**known, **own}


def own_field(field: CustomField) -> forms.Field:
    """The input of one of the workspace's own fields; what was typed is read by `custom_fields`."""
    options: dict[str, Any] = {"required": False, "label": field.label, "help_text": field.help}
    if field.type == FieldType.CHOICE:
        return forms.ChoiceField(choices=[("", "–"), *((one, one) for one in field.choices)], **options)
    if field.type == FieldType.FLAG:
        return forms.ChoiceField(
            choices=[("", _("Not known")), ("yes", _("Yes")), ("no", _("No"))], **options
        )
    widgets: dict[str, forms.Widget] = {
        FieldType.NUMBER: forms.TextInput(attrs={"inputmode": "decimal"}),
        FieldType.DATE: forms.DateInput(attrs={"type": "date"}),
        FieldType.URL: forms.TextInput(attrs={"type": "url", "placeholder": "https://"}),
    }
    return forms.CharField(max_length=500, widget=widgets.get(field.type), **options)


def typed(value: Any) -> str:
    """A stored value as it stands in its input."""
    if value is None:
        return ""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


class NoteForm(forms.Form):
    """A note about a customer."""

    text = forms.CharField(max_length=20_000, label=_("Note"), widget=forms.Textarea(attrs={"rows": 3}))


class TaskForm(forms.Form):
    """Something to be done for a customer."""

    title = forms.CharField(max_length=200, label=_("To do"))
    due_on = forms.DateField(required=False, label=_("By"), widget=forms.DateInput(attrs={"type": "date"}))
    assignee = forms.ModelChoiceField(
        queryset=User.objects.none(), required=False, label=_("Who"), empty_label=_("Nobody yet")
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["assignee"].queryset = User.objects.filter(is_active=True).order_by("name")  # type: ignore[attr-defined]


class AffiliationForm(forms.Form):
    """Whom to bring together, and the role there."""

    other = forms.ModelChoiceField(queryset=Customer.objects.all(), label=_("Customer"))
    role = forms.CharField(max_length=120, required=False, label=_("Role"))


class FieldForm(forms.Form):
    """One of the workspace's own fields."""

    label = forms.CharField(max_length=80, label=_("Name"))
    key = forms.RegexField(
        r"^[a-z][a-z0-9]*(?:_[a-z0-9]+)*\Z", max_length=40, label=_("Key"),
        help_text=_("In rules, files and the API: small letters, digits and _; it never changes"),
        error_messages={"invalid": _("Begin with a letter; small letters, digits and single _ between.")},
    )  # fmt: skip
    type = forms.ChoiceField(choices=FieldType.choices, label=_("Holds"))
    choices = forms.CharField(
        required=False, max_length=5000, label=_("Choices"), help_text=_("Of a choice: one a line"),
        widget=forms.Textarea(attrs={"rows": 5}),
    )  # fmt: skip
    help = forms.CharField(
        required=False, max_length=200, label=_("Help"), help_text=_("Stands under the field")
    )

    def clean_choices(self) -> list[str]:
        lines = [line.strip() for line in self.cleaned_data["choices"].splitlines()]
        if any(len(line) > 80 for line in lines):
            raise forms.ValidationError(_("Each choice has at most 80 characters."))
        return [line for line in lines if line]


class FieldChangeForm(FieldForm):
    """What may change once a field is there."""

    key = None  # type: ignore[assignment]
    type = None  # type: ignore[assignment]


def _network_choices() -> list[tuple[str, str]]:
    return [(network.name, network.label) for network in networks.known()]


class IdentityForm(forms.Form):
    """A handle to be attached."""

    network = forms.ChoiceField(choices=_network_choices, label=_("Network"))
    external_id = forms.CharField(max_length=320, label=_("Handle, address or number"))


class TagForm(forms.Form):
    """A word to be put on a customer."""

    name = forms.CharField(max_length=60, label=_("Tag"))

    def tag(self) -> Tag:
        """The tag of this name, made where it is new."""
        return tag_called(self.cleaned_data["name"])
