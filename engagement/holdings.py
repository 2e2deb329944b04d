"""Which tables of this app hold a person."""

from core.privacy import Holding, register_customer_data
from core.privacy import register as hold
from engagement.models import (
    Attachment,
    CannedReply,
    ChannelAccount,
    ChatLine,
    ChatTicket,
    ChatVisitor,
    ContactLedger,
    Conversation,
    ConversationEvent,
    ConversationTag,
    Delivery,
    DirtyDay,
    Draft,
    Interaction,
    MailContent,
    Mention,
    Participant,
    PendingChange,
    Post,
    RawEvent,
    ReadMark,
    Thread,
    VisitContent,
)


def register() -> None:
    """Register every table of this app that holds a person."""
    hold(Holding(Conversation, "customer", "home_customer"))
    hold(Holding(Interaction, "customer", "home_customer", seen_field="occurred_at"))
    hold(Holding(ContactLedger, "customer", "home_customer"))
    register_customer_data(
        Attachment,
        CannedReply,
        ChannelAccount,
        ChatLine,
        ChatTicket,
        ChatVisitor,
        ConversationEvent,
        ConversationTag,
        Delivery,
        DirtyDay,
        Draft,
        MailContent,
        Mention,
        Participant,
        PendingChange,
        Post,
        RawEvent,
        ReadMark,
        Thread,
        VisitContent,
    )
