"""What an admin fills in to connect a mailbox."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.identities import BadIdentity, normalize
from engagement.channels.email.providers import PASSWORD, PROVIDERS

SECURITY = [
    ("ssl", _("SSL/TLS")),
    ("starttls", _("STARTTLS")),
    ("none", _("None (only inside your own network)")),
]


SIGN_IN = [
    (PASSWORD, _("Password or app password")),
    ("google", _("Login at Google")),
    ("microsoft", _("Login at Microsoft")),
]
WITH_PASSWORD = (
    "imap_host", "imap_port", "imap_security", "imap_user", "smtp_host", "smtp_port", "smtp_security",
)  # fmt: skip


class MailboxForm(forms.Form):
    """Address, IMAP and SMTP access of one mailbox; with a login, the provider's servers are known."""

    sign_in = forms.ChoiceField(
        label=_("Sign in by"),
        choices=SIGN_IN,
        initial=PASSWORD,
        required=False,
        help_text=_("With a login, servers, users and passwords below stay empty."),
    )
    address = forms.CharField(
        label=_("E-mail address"),
        max_length=200,
        required=False,
        help_text=_("With a login, only for a mailbox that is shared with whoever logs in."),
    )
    from_name = forms.CharField(
        label=_("Sender name"),
        max_length=120,
        required=False,
        help_text=_("Shown beside the address; {staff} stands for who writes. Empty: the channel's name."),
    )
    imap_host = forms.CharField(label=_("IMAP server"), max_length=253, required=False)
    imap_port = forms.IntegerField(
        label=_("IMAP port"), min_value=1, max_value=65535, initial=993, required=False
    )
    imap_security = forms.ChoiceField(
        label=_("IMAP encryption"), choices=SECURITY, initial="ssl", required=False
    )
    imap_user = forms.CharField(label=_("IMAP user"), max_length=320, required=False)
    imap_password = forms.CharField(
        label=_("IMAP password"),
        max_length=500,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("An app password where the provider has them. Left empty, the stored one stays."),
    )
    folder = forms.CharField(
        label=_("Folders"),
        max_length=2000,
        initial="INBOX",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("One a line. At Gmail one alone: its labels show the same mail in several folders."),
    )
    only_new = forms.BooleanField(
        label=_("Only new mail"),
        required=False,
        initial=True,
        help_text=_("What is in the folder at this moment is not taken in."),
    )
    smtp_host = forms.CharField(label=_("SMTP server"), max_length=253, required=False)
    smtp_port = forms.IntegerField(
        label=_("SMTP port"), min_value=1, max_value=65535, initial=465, required=False
    )
    smtp_security = forms.ChoiceField(
        label=_("SMTP encryption"), choices=SECURITY, initial="ssl", required=False
    )
    smtp_user = forms.CharField(
        label=_("SMTP user"), max_length=320, required=False, help_text=_("Empty: no sign-in.")
    )
    smtp_password = forms.CharField(
        label=_("SMTP password"),
        max_length=500,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    save_sent = forms.BooleanField(
        label=_("Put sent mail into the Sent folder"),
        required=False,
        initial=True,
        help_text=_("Not needed where the provider does it by itself, as Gmail does."),
    )
    read_sent = forms.BooleanField(
        label=_("Take in what is sent from mail programs"),
        required=False,
        initial=True,
        help_text=_("The Sent folder is read too, so answers written elsewhere stand in the conversation."),
    )
    watch = forms.BooleanField(
        label=_("Fetch new mail at once"),
        required=False,
        initial=True,
        help_text=_(
            "Holds a connection open for each folder. Without it, new mail is there within a minute."
        ),
    )
    sent_folder = forms.CharField(
        label=_("Sent folder"),
        max_length=200,
        required=False,
        help_text=_("Empty: the one the server marks."),
    )
    plus_addressing = forms.BooleanField(
        label=_("Answers come to a plus-address"),
        required=False,
        help_text=_(
            "Only where the server delivers name+anything@ to name@. Keeps threads together for mail "
            "programs that drop references."
        ),
    )

    hosts: ClassVar = ("imap_host", "smtp_host")

    def clean_sign_in(self) -> str:
        return self.cleaned_data["sign_in"] or PASSWORD

    def clean_address(self) -> str:
        address = self.cleaned_data["address"]
        if not address and self.cleaned_data.get("sign_in", PASSWORD) != PASSWORD:
            return ""
        try:
            return normalize("email", address)
        except BadIdentity as error:
            raise forms.ValidationError(str(error)) from error

    def clean_folder(self) -> str:
        return "\n".join(line.strip() for line in self.cleaned_data["folder"].splitlines() if line.strip())

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name in self.hosts:
            host = cleaned.get(name, "")
            if host and not all(letter.isalnum() or letter in ".-:[]" for letter in host):
                self.add_error(name, _("Write the server's name only, such as mail.example.com."))
        if cleaned.get("sign_in") in PROVIDERS:
            return self._known_servers(cleaned)
        for name in WITH_PASSWORD:
            if not cleaned.get(name) and name not in self.errors:
                self.add_error(name, _("This field is required."))
        return cleaned

    def _known_servers(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        """The provider's servers, whatever the form's fields hold."""
        known = PROVIDERS[cleaned["sign_in"]].settings(cleaned.get("address", ""))
        return {**cleaned, **known, "imap_password": "", "smtp_password": ""}
