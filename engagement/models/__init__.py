"""What is said: accounts, threads, conversations, interactions, and what goes out."""

from engagement.models.account import (
    ChannelAccount,
    Health,
    HookState,
    LoginGrant,
    PendingChange,
    Post,
    RawEvent,
    RawState,
    Reconciliation,
    RefusedHook,
)
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
from engagement.models.delivery import ActRecord, ContactLedger, Delivery, DeliveryState
from engagement.models.desk import CannedReply, Draft, MailContent, Mention, ReadMark
from engagement.models.interaction import Attachment, DirtyDay, FileState, Interaction
from engagement.models.reading import LabelSource, Mood, MoodLabel, ReasonTag, TextModel
from engagement.models.visit import Intent, VisitContent

__all__ = [
    "ActRecord",
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
    "FileState",
    "Health",
    "HookState",
    "Intent",
    "Interaction",
    "LabelSource",
    "LoginGrant",
    "MailContent",
    "Mention",
    "Mood",
    "MoodLabel",
    "Participant",
    "PendingChange",
    "Post",
    "Priority",
    "RawEvent",
    "RawState",
    "ReadMark",
    "ReasonTag",
    "Reconciliation",
    "RefusedHook",
    "Status",
    "TextModel",
    "Thread",
    "VisitContent",
]
