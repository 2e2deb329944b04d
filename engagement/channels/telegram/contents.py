"""What a Telegram message holds: its words, whatever kind it is of, and its files.

Every field of the published `Message` stands in exactly one of ENVELOPE, SERVICE or CONTENT; a test holds
them against the contract. Content without words of its own is told in square brackets, so that nothing is
lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from engagement.channels.base import File
from engagement.channels.fields import Json, maybe_mapping, maybe_objects, maybe_text, maybe_whole

MOST_BYTES = 20 * 1024 * 1024
"""Of larger files a bot is told, but not given the content."""
ENVELOPE = frozenset(
    "message_id message_thread_id direct_messages_topic from sender_chat sender_boost_count "
    "sender_business_bot sender_tag date guest_query_id business_connection_id chat forward_origin "
    "is_topic_message is_automatic_forward reply_to_message external_reply quote reply_to_story "
    "reply_to_checklist_task_id reply_to_poll_option_id via_bot guest_bot_caller_user "
    "guest_bot_caller_chat edit_date has_protected_content is_from_offline is_paid_post media_group_id "
    "author_signature paid_star_count entities link_preview_options suggested_post_info effect_id "
    "caption_entities show_caption_above_media has_media_spoiler reply_markup".split()
)
SERVICE = frozenset(
    "new_chat_members left_chat_member chat_owner_left chat_owner_changed new_chat_title new_chat_photo "
    "delete_chat_photo group_chat_created supergroup_chat_created channel_chat_created "
    "message_auto_delete_timer_changed migrate_to_chat_id migrate_from_chat_id pinned_message "
    "connected_website write_access_allowed proximity_alert_triggered boost_added chat_background_set "
    "checklist_tasks_done checklist_tasks_added direct_message_price_changed forum_topic_created "
    "forum_topic_edited forum_topic_closed forum_topic_reopened general_forum_topic_hidden "
    "general_forum_topic_unhidden giveaway_created giveaway_completed managed_bot_created "
    "paid_message_price_changed poll_option_added poll_option_deleted suggested_post_approved "
    "suggested_post_approval_failed suggested_post_declined suggested_post_paid suggested_post_refunded "
    "video_chat_scheduled video_chat_started video_chat_ended video_chat_participants_invited".split()
)
"""What the app tells by itself: nobody said it."""
FILES = {
    "animation": ("animation", "mp4", "video/mp4"),
    "audio": ("audio", "mp3", "audio/mpeg"),
    "document": ("document", "bin", ""),
    "live_photo": ("live-photo", "mp4", "video/mp4"),
    "sticker": ("sticker", "webp", "image/webp"),
    "video": ("video", "mp4", "video/mp4"),
    "video_note": ("video-note", "mp4", "video/mp4"),
    "voice": ("voice", "ogg", "audio/ogg"),
}
"""Fields that hold one file: a name, an ending and a type for those that bring none."""
TOLD_ONLY = frozenset(
    "rich_message paid_media story game invoice successful_payment refunded_payment users_shared chat_shared "
    "gift unique_gift gift_upgrade_sent passport_data giveaway giveaway_winners".split()
)
"""Content that has no words we could show: its name stands for it."""


def is_service(message: Json) -> bool:
    """Whether the app tells something by itself."""
    return any(name in message for name in SERVICE)


# Words


def text_of(message: Json) -> str:
    """The words of a message, and of a contact, place or question what it says."""
    parts = [maybe_text(message, "text") or maybe_text(message, "caption"), *_links(message)]
    parts += [
        told(mapping_or_text) for name, told in WORDS.items() for mapping_or_text in _given(message, name)
    ]
    said = "\n".join(part for part in parts if part)
    if said or any(name in message for name in (*FILES, "photo")):
        return said
    kind = next((name for name in message if name not in ENVELOPE and name not in ("text", "caption")), "")
    return f"[unsupported: {kind}]" if kind else ""


def _given(message: Json, name: str) -> Iterator[Json]:
    # A venue brings its location along, for programs that know no venues.
    hidden = name == "location" and "venue" in message
    if not hidden and isinstance(message.get(name), Mapping):
        yield message[name]


def _links(message: Json) -> Iterator[str]:
    """Addresses that stand behind words."""
    said = maybe_text(message, "text") or maybe_text(message, "caption")
    for entity in [*maybe_objects(message, "entities"), *maybe_objects(message, "caption_entities")]:
        url = maybe_text(entity, "url")
        if url and url not in said:
            yield url


def _contact(one: Json) -> str:
    name = f"{maybe_text(one, 'first_name')} {maybe_text(one, 'last_name')}".strip()
    return f"[contact] {name} {maybe_text(one, 'phone_number')}"


def _location(one: Json) -> str:
    return f"[location] {_number(one, 'latitude')}, {_number(one, 'longitude')}"


def _venue(one: Json) -> str:
    place = _location(maybe_mapping(one, "location"))
    return f"{place}\n{maybe_text(one, 'title')}, {maybe_text(one, 'address')}"


def _number(one: Json, name: str) -> str:
    value = one.get(name)
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, int | float) else "?"


def _poll(one: Json) -> str:
    options = [f"- {maybe_text(option, 'text')}" for option in maybe_objects(one, "options")]
    return "\n".join([f"[poll] {maybe_text(one, 'question')}", *options])


def _checklist(one: Json) -> str:
    tasks = [f"- {maybe_text(task, 'text')}" for task in maybe_objects(one, "tasks")]
    return "\n".join([f"[checklist] {maybe_text(one, 'title')}", *tasks])


def _dice(one: Json) -> str:
    return f"{maybe_text(one, 'emoji')} {maybe_whole(one, 'value')}"


def _sticker(one: Json) -> str:
    return maybe_text(one, "emoji")


def _web_app(one: Json) -> str:
    return maybe_text(one, "data")


WORDS: dict[str, Callable[[Json], str]] = {
    "contact": _contact,
    "location": _location,
    "venue": _venue,
    "poll": _poll,
    "checklist": _checklist,
    "dice": _dice,
    "sticker": _sticker,
    "web_app_data": _web_app,
}
CONTENT = frozenset({"text", "caption", "photo", *FILES, *WORDS, *TOLD_ONLY})


# Files


def files_of(message: Json) -> tuple[File, ...]:
    """The files of a message, each by the id with which a worker asks for it."""
    found = [_photo(message)] if maybe_objects(message, "photo") else []
    for name, (label, ending, kind) in FILES.items():
        # An animation is told as a document too, for programs that know no animations.
        if name == "document" and "animation" in message:
            continue
        one = maybe_mapping(message, name)
        if maybe_text(one, "file_id"):
            default = f"{label}-{maybe_whole(message, 'message_id')}.{ending}"
            found.append(_file(one, maybe_text(one, "file_name") or default, kind))
    return tuple(found)


def _photo(message: Json) -> File:
    sizes = maybe_objects(message, "photo")
    best = max(sizes, key=lambda one: maybe_whole(one, "width") * maybe_whole(one, "height"))
    return _file(best, f"photo-{maybe_whole(message, 'message_id')}.jpg", "image/jpeg")


def _file(one: Json, name: str, kind: str) -> File:
    size = maybe_whole(one, "file_size")
    kind = maybe_text(one, "mime_type") or kind
    if size > MOST_BYTES:
        return File(name, kind, size=size, note="Telegram gives bots files of up to 20 MB.")
    return File(name, kind, url=maybe_text(one, "file_id"), size=size)


def media_of(message: Json) -> str:
    """The kind of media of a post of ours."""
    if "video" in message or "animation" in message or "video_note" in message:
        return "video"
    if "photo" in message:
        return "album" if "media_group_id" in message else "image"
    return "audio" if "audio" in message or "voice" in message else "text"
