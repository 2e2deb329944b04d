"""Handles, addresses and numbers, whose they are, and who may be one with whom."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Reverse
from django.utils import timezone

from core.finding import Fold
from crm.identities import PHONE
from crm.models.customer import Customer
from crm.querysets import PIECE, SHOWN, IdentityQuerySet, SuspectQuerySet


class Identity(models.Model):
    """One handle, address or number within one issuer, normalized (`crm.identities`)."""

    network = models.CharField(max_length=30)
    issuer = models.CharField(max_length=200, blank=True, default="")
    external_id = models.CharField(max_length=320)
    handle = models.CharField(max_length=320, blank=True, help_text="as people read it")
    name = models.CharField(max_length=200, blank=True)
    verified = models.BooleanField(default=False)
    source = models.CharField(max_length=60, blank=True, help_text="where we have it from")
    created_at = models.DateTimeField(default=timezone.now)
    link_version = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="signed links to this person's own page carry it; counting ends them",
    )
    home_customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="home_identities")
    attached_to = models.ForeignKey(
        Customer,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="whom somebody moved it to; empty: it is where it came. `customer` is the root of either",
    )
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="identities")

    objects = IdentityQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "identities"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "issuer", "external_id"], name="crm_identity_unique"),
            models.CheckConstraint(condition=~Q(external_id=""), name="crm_identity_has_id"),
        ]
        indexes: ClassVar = [
            # search: any part of a handle or address, by pieces of customers where too many are found
            GinIndex(
                F("customer") / PIECE,
                OpClass(SHOWN, "gin_trgm_ops"),
                name="crm_identity_shown",
                gin_pending_list_limit=512,
            ),
            # search: an id as somebody gave it, or its beginning
            models.Index(OpClass(Fold("external_id"), "text_pattern_ops"), name="crm_identity_given"),
            # search: the last digits of a phone number
            models.Index(
                OpClass(Reverse("external_id"), "text_pattern_ops"),
                condition=Q(network=PHONE),
                name="crm_identity_digits",
            ),
        ]

    def __str__(self) -> str:
        return self.handle or self.external_id


class MergeWhy(models.TextChoices):
    """What made two records one."""

    BY_HAND = "by_hand", "By hand"
    SUSPECT = "suspect", "Confirmed as one"
    SIGNED_TOKEN = "signed_token", "Signed token"
    IMPORT = "import", "Import"


class MergeRecord(models.Model):
    """One merge: an edge from the dropped record to the kept one, there until it is undone.

    What belongs to whom follows from the edges that are there, so merges are undone in any order; `fields`
    is what only the moment of the merge knew.
    """

    keep = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="merges_kept")
    drop = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="merges_dropped")
    tree = models.JSONField(
        default=list,
        help_text="ids of the customers whose rows moved: the dropped one and all it had absorbed",
    )
    identities = models.JSONField(default=list, help_text="ids of the identities that moved")
    fields = models.JSONField(
        default=dict,
        help_text="{field: {before, after}} of what it wrote on the kept one (`crm.merge_fields`)",
    )
    why = models.CharField(
        max_length=12, choices=MergeWhy.choices, default=MergeWhy.BY_HAND, db_default="by_hand"
    )
    proof = models.CharField(
        max_length=200, blank=True, db_default="", help_text="who vouched, of a signed token"
    )
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(keep=F("drop")), name="crm_mergerecord_two_customers"),
            models.UniqueConstraint(
                fields=["drop"], condition=Q(undone_at__isnull=True), name="crm_mergerecord_one_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.drop_id} into {self.keep_id}"


class SuspectState(models.TextChoices):
    """What staff said about a pair."""

    OPEN = "open", "Open"
    LATER = "later", "Later"
    REJECTED = "rejected", "Two different customers"
    CONFIRMED = "confirmed", "One customer"


class Suspect(models.Model):
    """Two customers who may be one, with the evidence field by field; a rejected pair never comes again."""

    low = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    high = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    probability = models.FloatField(help_text="that both are one, 0 to 1")
    evidence = models.JSONField(
        default=list, help_text="[{field, left, right, level, weight}]; weight in bits, for and against"
    )
    state = models.CharField(max_length=10, choices=SuspectState.choices, default=SuspectState.OPEN)
    found_at = models.DateTimeField(default=timezone.now)
    later_until = models.DateField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)

    objects = SuspectQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["low", "high"], name="crm_suspect_once"),
            models.CheckConstraint(condition=Q(low__lt=F("high")), name="crm_suspect_in_order"),
            models.CheckConstraint(condition=Q(probability__range=(0, 1)), name="crm_suspect_probability"),
        ]
        indexes: ClassVar = [
            # the queue, strongest first
            models.Index(
                fields=["-probability", "-id"],
                condition=Q(state__in=["open", "later"]),
                name="crm_suspect_queue",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.low_id} and {self.high_id}: {self.probability:.0%}"
