"""Which tables of this app hold a person."""

from core import privacy
from core.privacy import Holding, register_customer_data
from core.privacy import register as hold
from engagement import privacy as own_privacy
from engagement import privacy_exports as exports
from engagement import retention
from engagement.models import (
    Attachment,
    CannedReply,
    ChannelAccount,
    ChatLine,
    ChatProof,
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
    MoodLabel,
    Participant,
    PendingChange,
    Post,
    RawEvent,
    ReadMark,
    TextModel,
    Thread,
    VisitContent,
)


def register() -> None:
    """Register every table of this app that holds a person."""
    hold(Holding(Conversation, "customer", "home_customer", export=exports.conversations))
    hold(
        Holding(
            Interaction,
            "customer",
            "home_customer",
            seen_field="occurred_at",
            export=exports.messages,
        )
    )
    hold(Holding(ContactLedger, "customer", "home_customer"))
    for model in (Conversation, Interaction, ContactLedger, Participant, ChatVisitor):
        privacy.register_identity(model, "identity")
    privacy.register_eraser("said", own_privacy.erase_said, order=20)
    privacy.register_words("chat", own_privacy.words)
    privacy.register_elsewhere("said", own_privacy.said_by_others)
    privacy.spare(RawEvent, why="searched by engagement.privacy_raw, which reads what is encoded")
    privacy.spare(
        ChannelAccount, "name", "external_id", "issuer", "connector", "network", "settings", "cursor",
        why="ours: the account, and where its reading stands",
    )  # fmt: skip
    privacy.spare(Interaction, "staff_name", why="who of the staff wrote it")
    privacy.spare(ChatVisitor, "token_hash", "previous_hash", why="hashes of random tokens")
    privacy.spare(ChatTicket, why="hashes of random tokens and our own addresses")
    exports.register()
    retention.register()
    register_customer_data(
        Attachment,
        CannedReply,
        ChannelAccount,
        ChatLine,
        ChatProof,
        ChatTicket,
        ChatVisitor,
        ConversationEvent,
        ConversationTag,
        Delivery,
        DirtyDay,
        Draft,
        MailContent,
        Mention,
        MoodLabel,
        Participant,
        PendingChange,
        Post,
        RawEvent,
        ReadMark,
        TextModel,
        Thread,
        VisitContent,
    )
