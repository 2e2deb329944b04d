"""What staff type into the inbox."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from engagement.channels import connector, connectors
from engagement.models import CannedReply, ChannelAccount, Conversation

ADDRESSES = re.compile(r"[,;\s]+")
MORNING = 9


class FilesInput(forms.ClearableFileInput):
    """A file input that takes several."""

    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Several files; cleans to a list."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        given = data if isinstance(data, list | tuple) else [data]
        single = super().clean
        return [single(one, initial) for one in given if one]


class AddressesField(forms.CharField):
    """E-mail addresses between commas, semicolons or spaces; cleans to a list."""

    def clean(self, value: Any) -> list[str]:
        found = [one for one in ADDRESSES.split(super().clean(value) or "") if one]
        for one in found:
            forms.EmailField().clean(one)
        return found


class WrittenForm(forms.Form):
    """A text with files, and the key that makes a double click one message."""

    text = forms.CharField(label=_("Your answer"), required=False, widget=forms.Textarea, strip=False)
    client_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    files = FilesField(label=_("Files"), required=False)  # type: ignore[assignment]

    def written(self) -> dict[str, Any]:
        """What the services take."""
        return {name: self.cleaned_data[name] for name in ("text", "client_key", "files")}


class ReplyForm(WrittenForm):
    """An answer; subject and copies are for channels that know them."""

    subject = forms.CharField(label=_("Subject"), required=False, max_length=300)
    cc = AddressesField(label=_("Cc"), required=False, max_length=4000)
    bcc = AddressesField(label=_("Bcc"), required=False, max_length=4000)

    def written(self) -> dict[str, Any]:
        more = {name: self.cleaned_data[name] for name in ("subject", "cc", "bcc")}
        return {**super().written(), **more}


class AccountChoice(forms.ModelChoiceField):
    """Accounts by name and channel."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} · {connector(obj.connector).label}"


class StartForm(ReplyForm):
    """Writing first: from which account and to whom."""

    account = AccountChoice(label=_("From"), queryset=ChannelAccount.objects.none())
    to = forms.CharField(label=_("To"), max_length=320)
    field_order = ("account", "to", "cc", "bcc", "subject", "text", "files")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["account"].queryset = starting_accounts(user)  # type: ignore[attr-defined]
        self.fields["text"].required = True
        self.fields["text"].label = _("Message")


def starting_accounts(user: User) -> Any:
    """Accounts of this person's teams whose channel can write first."""
    seen = ChannelAccount.objects.visible_to(user).active().order_by("name", "pk")
    able = Q(pk__in=[])
    for one in connectors():
        if one.can_start:
            able |= Q(connector=one.name) & (Q(network__in=one.start_networks) if one.start_networks else Q())
    return seen.filter(able)


class SnoozeForm(forms.Form):
    """Until when a conversation rests: one of a few good times, or a time of one's own."""

    CHOICES = ("hours", "tomorrow", "monday", "own")

    choice = forms.ChoiceField(choices=[(one, one) for one in CHOICES])
    at = forms.DateTimeField(
        label=_("Day and time"),
        required=False,
        input_formats=["%Y-%m-%dT%H:%M"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("choice") == "own" and not cleaned.get("at"):
            self.add_error("at", _("Choose a day and a time."))
        return cleaned

    def until(self) -> datetime:
        """The moment that was chosen."""
        if self.cleaned_data["choice"] == "own":
            moment: datetime = self.cleaned_data["at"]
            return moment
        return snooze_times()[self.cleaned_data["choice"]]


def snooze_times(now: datetime | None = None) -> dict[str, datetime]:
    """In three hours, tomorrow morning, and Monday morning, in the reader's zone."""
    local = timezone.localtime(now)
    morning = local.replace(hour=MORNING, minute=0, second=0, microsecond=0)
    return {
        "hours": local.replace(second=0, microsecond=0) + timedelta(hours=3),
        "tomorrow": morning + timedelta(days=1),
        "monday": morning + timedelta(days=7 - local.weekday()),
    }


class CannedReplyForm(forms.ModelForm):
    """A text that agents call by its shortcut."""

    class Meta:
        model = CannedReply
        fields = ("shortcut", "text", "team")
        help_texts = {  # noqa: RUF012
            "shortcut": _("Typed after a slash: letters, numbers and hyphens."),
            "text": _("{name} becomes the customer's first name, {me} yours."),
            "team": _("Empty: for everybody."),
        }


def fill_canned(text: str, conversation: Conversation, user: User) -> str:
    """A canned text with the names it asks for."""
    customer = conversation.customer
    first = (customer.name.split() or [""])[0] if customer else ""
    return text.replace("{name}", first).replace("{me}", user.get_short_name())
