"""Staff, teams, invitations, API keys and the audit trail."""

from __future__ import annotations

import zoneinfo
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

AVATAR_TONES = 6


class Role(models.TextChoices):
    """What somebody is here; what that allows stands in `accounts.permissions`."""

    ADMIN = "admin", _("Admin")
    MANAGER = "manager", _("Manager")
    AGENT = "agent", _("Agent")
    MARKETER = "marketer", _("Marketer")
    VIEWER = "viewer", _("Viewer")


class Theme(models.TextChoices):
    """Which of the two looks a person wants to see."""

    SYSTEM = "system", _("As the device")
    LIGHT = "light", _("Light")
    DARK = "dark", _("Dark")


def validate_zone(value: str) -> None:
    """Refuse a time zone that this machine does not know."""
    if value and value not in zoneinfo.available_timezones():
        raise ValidationError(
            _("%(zone)s is not a time zone, such as Europe/Amsterdam."),
            params={"zone": value},
        )


class Team(models.Model):
    """Staff that share conversations; exactly one, first named General, takes what no other team takes."""

    name = models.CharField(_("name"), max_length=80)
    is_general = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("name"),
                name="accounts_team_name_once",
                violation_error_message=_("There is a team of that name already."),
            ),
            models.UniqueConstraint(
                fields=["is_general"],
                condition=Q(is_general=True),
                name="accounts_team_one_general",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def general(cls) -> Team:
        """The team that always exists; a trigger keeps its row from being deleted."""
        team, _created = cls.objects.get_or_create(is_general=True, defaults={"name": "General"})
        return team


class UserManager(BaseUserManager["User"]):
    """Makes staff and finds them by e-mail address, whatever its case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser):
    """One member of staff; signs in by e-mail address and has one role."""

    email = models.EmailField(
        _("e-mail"),
        max_length=254,
        unique=True,
        error_messages={"unique": _("Somebody here has that address already.")},
    )
    name = models.CharField(_("name"), max_length=120, blank=True)
    role = models.CharField(_("role"), max_length=16, choices=Role.choices, default=Role.AGENT)
    teams = models.ManyToManyField(Team, related_name="members", blank=True, verbose_name=_("teams"))
    is_active = models.BooleanField(_("active"), default=True)
    zone = models.CharField(
        _("time zone"),
        max_length=64,
        blank=True,
        validators=[validate_zone],
        help_text=_("Empty: the workspace's."),
    )
    language = models.CharField(_("language"), max_length=16, default="en")
    theme = models.CharField(_("theme"), max_length=8, choices=Theme.choices, default=Theme.SYSTEM)
    tone = models.PositiveSmallIntegerField(
        _("color of the initials"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(AVATAR_TONES)],
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    deactivated_at = models.DateTimeField(null=True, blank=True, editable=False)
    notices_seen_at = models.DateTimeField(default=timezone.now, editable=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()

    # The key this person acts through in the current request; None in the browser.
    api_key: APIKey | None = None

    class Meta:
        ordering: ClassVar = ["name", "email"]
        constraints: ClassVar = [
            # With unique=True this makes the address unique whatever its case.
            models.CheckConstraint(
                condition=Q(email=Lower(F("email"))),
                name="accounts_user_email_lower_case",
            ),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="accounts_user_role_known"),
            models.CheckConstraint(
                condition=Q(tone__gte=1, tone__lte=AVATAR_TONES),
                name="accounts_user_tone_known",
            ),
        ]

    def __str__(self) -> str:
        return self.display_name

    def clean(self) -> None:
        self.email = self.email.strip().lower()

    @property
    def display_name(self) -> str:
        """The name, or what stands before the @ while nobody has typed one."""
        return self.name or self.email.partition("@")[0]

    def get_full_name(self) -> str:
        return self.display_name

    def get_short_name(self) -> str:
        return self.display_name.split()[0]


class Invitation(models.Model):
    """A door for one person: whoever holds the token becomes staff with this role. Only its hash is kept."""

    email = models.EmailField(_("e-mail"), max_length=254)
    role = models.CharField(_("role"), max_length=16, choices=Role.choices, default=Role.AGENT)
    teams = models.ManyToManyField(Team, related_name="+", blank=True, verbose_name=_("teams"))
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(email=Lower(F("email"))),
                name="accounts_invitation_email_lower_case",
            ),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="accounts_invitation_role_known"),
            models.UniqueConstraint(
                fields=["email"],
                condition=Q(accepted_at=None, withdrawn_at=None),
                name="accounts_invitation_one_open",
            ),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def is_open(self) -> bool:
        return self.accepted_at is None and self.withdrawn_at is None and self.expires_at > timezone.now()


class FirstAdminLink(models.Model):
    """The one-time link that makes the first admin where nobody works yet. Only its hash is kept."""

    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    used_at = models.DateTimeField(null=True, blank=True, editable=False)

    def __str__(self) -> str:
        return f"first admin link of {self.created_at:%Y-%m-%d}"


class APIKey(models.Model):
    """A key for the REST API, shaped `rk_<prefix>_<secret>`; acts for its maker, limited to its scopes."""

    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(max_length=16, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)
    scopes = ArrayField(models.CharField(max_length=40), default=list, verbose_name=_("scopes"))
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="api_keys")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        verbose_name = _("API key")

    def __str__(self) -> str:
        return f"{self.name} (rk_{self.prefix}_…)"

    @property
    def dialog_id(self) -> str:
        """The page's id of the question whether to revoke it."""
        return f"revoke-{self.pk}"


class AuditEntry(models.Model):
    """One thing somebody did that matters for security or blame. Never changed: a trigger refuses it."""

    at = models.DateTimeField(default=timezone.now, editable=False)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    api_key = models.ForeignKey(APIKey, models.PROTECT, null=True, related_name="+")
    actor_name = models.CharField(max_length=160, blank=True)
    verb = models.CharField(max_length=60)
    object_kind = models.CharField(max_length=60, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict)
    ip = models.GenericIPAddressField(null=True)

    class Meta:
        ordering: ClassVar = ["-at", "-id"]
        verbose_name_plural = "audit entries"
        indexes: ClassVar = [
            # the audit page, newest first
            models.Index(F("at").desc(), F("id").desc(), name="accounts_audit_newest"),
            # the audit page for one member of staff
            models.Index("actor", F("at").desc(), F("id").desc(), name="accounts_audit_by_actor"),
            # the audit page for one verb
            models.Index("verb", F("at").desc(), F("id").desc(), name="accounts_audit_by_verb"),
            # what happened to one thing
            models.Index(
                "object_kind",
                "object_id",
                F("at").desc(),
                name="accounts_audit_by_object",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor_name} {self.verb}"
