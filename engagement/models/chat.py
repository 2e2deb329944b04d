"""What the chat on a website keeps: browsers that talk to us, what each was shown, one-time tickets."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from engagement.models.account import ChannelAccount
from engagement.models.interaction import Interaction


class ChatVisitor(models.Model):
    """One browser on a site with our chat; its tokens are kept hashed.

    `email` is what somebody typed: shown to staff, believed by nobody. `identifier` is the site's own id of
    somebody who signed in there, and was signed by the site.
    """

    account = models.ForeignKey(ChannelAccount, on_delete=models.CASCADE, related_name="+")
    identity = models.ForeignKey("crm.Identity", null=True, on_delete=models.CASCADE, related_name="+")
    visitor_id = models.UUIDField()
    token_hash = models.CharField(max_length=64, unique=True)
    previous_hash = models.CharField(
        max_length=64, blank=True, help_text="the token before; valid until the new one has been used"
    )
    rotated_at = models.DateTimeField(default=timezone.now)
    name = models.CharField(max_length=200, blank=True)
    email = models.CharField(max_length=254, blank=True)
    identifier = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "visitor_id"], name="engagement_chatvisitor_unique"),
        ]
        indexes: ClassVar = [
            # a browser that still holds its token of before
            models.Index(
                fields=["previous_hash"],
                condition=~models.Q(previous_hash=""),
                name="engagement_chatvisitor_before",
            ),
        ]

    def __str__(self) -> str:
        return str(self.visitor_id)


class ChatLine(models.Model):
    """One message that a visitor may see. Its id is the sequence that a browser reads on from.

    Lines of one visitor are written under a lock on the visitor, so a greater id never becomes visible
    before a smaller one. That is why the ids of interactions do not serve.
    """

    visitor = models.ForeignKey(ChatVisitor, on_delete=models.CASCADE, related_name="lines", db_index=False)
    interaction = models.ForeignKey(Interaction, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["visitor", "interaction"], name="engagement_chatline_once"),
        ]
        indexes: ClassVar = [
            # what a browser has not read yet
            models.Index(fields=["visitor", "id"], name="engagement_chatline_sequence"),
        ]

    def __str__(self) -> str:
        return f"{self.interaction_id} to {self.visitor_id}"


class ChatTicket(models.Model):
    """Opens one event stream for one visitor, once. Only its hash is kept."""

    token_hash = models.CharField(max_length=64, primary_key=True)
    visitor = models.ForeignKey(ChatVisitor, on_delete=models.CASCADE, related_name="tickets")
    origin = models.CharField(max_length=300, help_text="the page it was given to")
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"ticket of {self.visitor_id}"


class ChatProof(models.Model):
    """A signed token that a browser showed: no other browser may show it again. Only its hash is kept."""

    token_hash = models.CharField(max_length=64, primary_key=True)
    visitor = models.ForeignKey(ChatVisitor, on_delete=models.CASCADE, related_name="proofs")
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"proof of {self.visitor_id}"
