"""Computed archetypes of customers, the model that found them, and who belongs."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class PersonaModel(models.Model):
    """A fitted model: its features, bounds, scaler and centers, and the figures it was judged by."""

    fitted_at = models.DateTimeField(default=timezone.now)
    is_current = models.BooleanField(default=False)
    taken_at = models.DateTimeField(null=True, help_text="when it became the current one; NULL: a proposal")
    customers = models.PositiveIntegerField(help_text="how many it was fitted on")
    k = models.PositiveSmallIntegerField()
    parameters = models.JSONField(help_text="FittedModel.to_json(): features, bounds, scaler, centers")
    figures = models.JSONField(default=dict, help_text="how k was found, reliability, drift")
    drift = models.FloatField(default=0)
    reason = models.CharField(max_length=60, help_text="first, drift, by hand")
    personas = models.JSONField(
        default=dict,
        help_text="{cluster: persona} while it was the current one: by this it can be taken back",
    )
    replaced = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="+", help_text="the model before it"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["is_current"], condition=Q(is_current=True), name="personas_personamodel_one_current"
            ),
        ]

    def __str__(self) -> str:
        return f"model of {self.fitted_at:%Y-%m-%d}, {self.k} personas"


class PersonaSettings(models.Model):
    """How this workspace finds personas: one row. An empty list of features means the default ones."""

    features = models.JSONField(default=list, blank=True, help_text="names of `personas.features`")
    is_finest = models.BooleanField(
        default=False, help_text="As many personas as hold still, also where they do not lie apart."
    )
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(pk=1), name="personas_personasettings_one"),
        ]

    def __str__(self) -> str:
        return "persona settings"


class DriftDay(models.Model):
    """How far customers had moved from a model on one local day."""

    model = models.ForeignKey(PersonaModel, on_delete=models.CASCADE, related_name="drifts")
    day = models.DateField()
    drift = models.FloatField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["model", "day"], name="personas_driftday_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.drift:.2f}"


class PersonaQuerySet(models.QuerySet["Persona"]):
    """Reads of personas."""

    def in_order(self) -> PersonaQuerySet:
        """As lists show them: made by hand in the marketer's order, then computed ones, then plain rules."""
        computed = models.ExpressionWrapper(Q(segment__isnull=True), models.BooleanField())
        return self.order_by(computed, "is_rule", "rank", "-members", "pk")

    def shown(self) -> PersonaQuerySet:
        """Those that customers can belong to, in order."""
        return self.filter(is_active=True).in_order()


class Persona(models.Model):
    """An archetype, kept over refits. Human-written fields survive every rebuild.

    One made by hand stands for a segment: its members belong to it before any computed persona, the lowest
    `rank` first where somebody is in several.
    """

    name = models.CharField(max_length=120)
    suggested_name = models.CharField(max_length=120, blank=True)
    name_explained = models.JSONField(
        default=list, help_text="the habits the suggested name was made of: {word, feature, text}"
    )
    named_by_hand = models.BooleanField(default=False)
    icon = models.CharField(max_length=40, default="ti-user")
    tone = models.PositiveSmallIntegerField(default=1)
    cluster = models.PositiveSmallIntegerField(
        null=True, help_text="index of its center in the current model"
    )
    is_rule = models.BooleanField(
        default=False, help_text="a plain rule, used while there is not enough data"
    )
    segment = models.ForeignKey(
        "personas.Segment",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="personas",
        help_text="made by hand: the segment whose members belong to it",
    )
    rank = models.PositiveSmallIntegerField(default=0)
    is_active = models.BooleanField(default=True, help_text="False: its group is gone from the current model")
    created_at = models.DateTimeField(default=timezone.now)
    # written by people, never by the rebuild
    summary = models.TextField(blank=True)
    goals = models.TextField(blank=True, help_text="one a line")
    motivations = models.TextField(blank=True, help_text="one a line")
    pains = models.TextField(blank=True, help_text="one a line; what hurts, besides what is measured")
    how_to_speak = models.TextField(blank=True, help_text="one a line; a line that begins with - is a don't")
    edits = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="how often people changed what they wrote; a form of an earlier state is refused",
    )
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    edited_at = models.DateTimeField(null=True, blank=True)
    # written by the rebuild
    members = models.PositiveIntegerField(default=0)
    share = models.FloatField(default=0)
    reliability = models.FloatField(null=True, help_text="mean bootstrap Jaccard, 0 to 1")
    fit = models.FloatField(null=True, help_text="median confidence of its members")
    border_share = models.FloatField(null=True, help_text="share of members with confidence under one half")
    card = models.JSONField(default=dict, help_text="numbers, topics, quotes, what sets them apart")
    card_at = models.DateTimeField(null=True)

    objects = PersonaQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(share__range=(0, 1)), name="personas_persona_share"),
            models.UniqueConstraint(
                fields=["cluster"],
                condition=Q(is_active=True, cluster__isnull=False),
                name="personas_persona_one_a_cluster",
            ),
            models.CheckConstraint(
                condition=Q(segment__isnull=True) | Q(cluster__isnull=True, is_rule=False),
                name="personas_persona_computed_or_by_hand",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_by_hand(self) -> bool:
        """Whether people made it from a segment."""
        return self.segment_id is not None


class PersonaMembership(models.Model):
    """Which persona a customer belongs to, how surely, and why."""

    customer = models.OneToOneField(
        "crm.Customer",
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="persona_membership",
        db_constraint=False,
    )
    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="memberships", db_index=False)
    confidence = models.FloatField()
    reasons = models.JSONField(default=list, help_text="up to three sentences")
    computed = models.ForeignKey(
        Persona,
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
        help_text="the computed persona beneath one made by hand",
    )
    computed_confidence = models.FloatField(null=True)
    computed_reasons = models.JSONField(default=list, db_default=[])
    since = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(confidence__range=(0, 1)), name="personas_personamembership_confidence"
            ),
        ]
        indexes: ClassVar = [
            # members of a persona, the surest first
            models.Index(fields=["persona", "-confidence", "-customer"], name="personas_membership_persona"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} is {self.persona_id}"


class PersonaChange(models.Model):
    """A customer moved between personas."""

    customer = models.ForeignKey(
        "crm.Customer", on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    before = models.ForeignKey(Persona, null=True, on_delete=models.CASCADE, related_name="+")
    after = models.ForeignKey(Persona, null=True, on_delete=models.CASCADE, related_name="+")
    confidence = models.FloatField(null=True)
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            # a customer's timeline
            models.Index(fields=["customer", "-at", "-id"], name="personas_perchange_customer"),
            # how a persona changed
            models.Index(fields=["-at", "-id"], name="personas_perchange_at"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.before_id} to {self.after_id}"


class NotePart(models.TextChoices):
    """The part of the card that a note belongs to."""

    WHO = "who", "Who they are"
    WANTS = "wants", "What they want"
    HURTS = "hurts", "What hurts"
    REACH = "reach", "Where and when to reach them"
    SPEAK = "speak", "How to speak to them"
    VALUE = "value", "Value and risk"


class PersonaNote(models.Model):
    """What research found, or somebody assumes, about a persona, with its source."""

    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="notes")
    part = models.CharField(max_length=6, choices=NotePart.choices)
    text = models.CharField(max_length=500)
    source = models.CharField(
        max_length=200, blank=True, help_text="interviews, a study; '' is an assumption"
    )
    source_url = models.URLField(max_length=500, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(text=""), name="personas_personanote_says_something"),
        ]

    def __str__(self) -> str:
        return self.text[:60]

    @property
    def is_assumed(self) -> bool:
        """Whether nobody has named where it comes from."""
        return not (self.source or self.source_url)


class PersonaShare(models.Model):
    """A link by which people without an account read one card, until it expires or is revoked.

    The address carries this row's key, signed; the card it shows has no customers and no quotes.
    """

    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="shares")
    key = models.CharField(max_length=43, unique=True, help_text="random; the address signs it")
    label = models.CharField(max_length=120, blank=True, help_text="for whom it was made")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    seen = models.PositiveIntegerField(default=0)
    last_seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=models.F("created_at")), name="personas_personashare_expires_later"
            ),
        ]

    def __str__(self) -> str:
        return self.label or f"link of {self.created_at:%Y-%m-%d}"


class PersonaDay(models.Model):
    """A persona after the rebuild of one local day: what "how they changed" is drawn from."""

    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    members = models.PositiveIntegerField()
    share = models.FloatField(default=0)
    value_365 = models.FloatField(null=True, help_text="mean expected revenue, workspace currency")
    active = models.FloatField(null=True, help_text="mean chance of still being a customer, 0 to 1")
    sentiment = models.FloatField(null=True, help_text="mean of its members' interactions, -1 to 1")
    came = models.PositiveIntegerField(default=0)
    left = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["persona", "day"], name="personas_personaday_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.persona_id} {self.day} {self.members}"
