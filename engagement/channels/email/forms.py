"""What an admin fills in to connect a mailbox."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.identities import BadIdentity, normalize

SECURITY = [
    ("ssl", _("SSL/TLS")),
    ("starttls", _("STARTTLS")),
    ("none", _("None (only inside your own network)")),
]


class MailboxForm(forms.Form):
    """Address, IMAP and SMTP access of one mailbox."""

    address = forms.CharField(label=_("E-mail address"), max_length=200)
    from_name = forms.CharField(
        label=_("Sender name"),
        max_length=120,
        required=False,
        help_text=_("Shown beside the address; {staff} stands for who writes. Empty: the channel's name."),
    )
    imap_host = forms.CharField(label=_("IMAP server"), max_length=253)
    imap_port = forms.IntegerField(label=_("IMAP port"), min_value=1, max_value=65535, initial=993)
    imap_security = forms.ChoiceField(label=_("IMAP encryption"), choices=SECURITY, initial="ssl")
    imap_user = forms.CharField(label=_("IMAP user"), max_length=320)
    imap_password = forms.CharField(
        label=_("IMAP password"),
        max_length=500,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("An app password where the provider has them. Left empty, the stored one stays."),
    )
    folder = forms.CharField(label=_("Folder"), max_length=200, initial="INBOX")
    only_new = forms.BooleanField(
        label=_("Only new mail"),
        required=False,
        initial=True,
        help_text=_("What is in the folder at this moment is not taken in."),
    )
    smtp_host = forms.CharField(label=_("SMTP server"), max_length=253)
    smtp_port = forms.IntegerField(label=_("SMTP port"), min_value=1, max_value=65535, initial=465)
    smtp_security = forms.ChoiceField(label=_("SMTP encryption"), choices=SECURITY, initial="ssl")
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

    def clean_address(self) -> str:
        try:
            return normalize("email", self.cleaned_data["address"])
        except BadIdentity as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name in self.hosts:
            host = cleaned.get(name, "")
            if host and not all(letter.isalnum() or letter in ".-:[]" for letter in host):
                self.add_error(name, _("Write the server's name only, such as mail.example.com."))
        return cleaned
