"""What is said: accounts, threads, conversations, interactions, and what goes out."""

from engagement.models.account import ChannelAccount, Health, PendingChange, Post, RawEvent, RawState
from engagement.models.chat import ChatLine, ChatProof, ChatTicket, ChatVisitor
from engagement.models.conversation import (
    Conversation,
    ConversationEvent,
    ConversationTag,
    Participant,
    Priority,
    Status,
    Thread,
)
from engagement.models.delivery import ContactLedger, Delivery, DeliveryState
from engagement.models.desk import CannedReply, Draft, MailContent, Mention, ReadMark
from engagement.models.interaction import Attachment, DirtyDay, Interaction
from engagement.models.visit import Intent, VisitContent

__all__ = [
    "Attachment",
    "CannedReply",
    "ChannelAccount",
    "ChatLine",
    "ChatProof",
    "ChatTicket",
    "ChatVisitor",
    "ContactLedger",
    "Conversation",
    "ConversationEvent",
    "ConversationTag",
    "Delivery",
    "DeliveryState",
    "DirtyDay",
    "Draft",
    "Health",
    "Intent",
    "Interaction",
    "MailContent",
    "Mention",
    "Participant",
    "PendingChange",
    "Post",
    "Priority",
    "RawEvent",
    "RawState",
    "ReadMark",
    "Status",
    "Thread",
    "VisitContent",
]
