"""The Telegram connector: one bot, told by webhook where we can be reached, else asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from core.text import parse_when
from engagement.channels.base import (
    Act,
    Bad,
    Change,
    Connector,
    Event,
    File,
    Finding,
    Forged,
    Hook,
    Limits,
    Outgoing,
    Page,
    Parcel,
    PermanentFailure,
    PostRef,
    Rate,
    SendFailed,
    Sent,
    Subscription,
    Target,
    TransientFailure,
)
from engagement.channels.fields import Json, load, maybe_text, maybe_whole, whole
from engagement.channels.telegram import sending
from engagement.channels.telegram.client import Bot, Conflict, new_token, other_reader, result, results
from engagement.channels.telegram.contents import MOST_BYTES
from engagement.channels.telegram.events import ASKED_FOR, Us, parcel_of
from engagement.channels.telegram.forms import TelegramForm
from engagement.models import ChannelAccount, HookState, RawEvent

PAGE = 100
CONNECTIONS = 20
"""Webhooks that Telegram may send at the same time."""
SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105
SILENCE = timedelta(days=6)
"""After a week without an update Telegram numbers the next one at random, perhaps lower than our place."""
LIKED = "👍"


class TelegramConnector(Connector):
    """One bot. Identities are Telegram's numbers of people, which are world-wide, so the issuer is ''."""

    name = "telegram"
    label = "Telegram"
    icon = "ti-brand-telegram"
    hue = "telegram"
    networks = ("telegram",)
    can_pull = True
    can_reply = True
    takes_files = True
    takes_hooks = True
    subscribes = True
    why_not_compared = gettext_noop("Telegram does not let a bot list what was said.")
    acts = frozenset({Act.LIKE, Act.UNLIKE, Act.DELETE})
    max_length = sending.LENGTH
    max_attachment_bytes = sending.FILE_BYTES
    pull_every_seconds = 10
    settings_form = TelegramForm
    secret_fields: ClassVar[tuple[str, ...]] = ("bot_token",)
    rates = (Rate("send", 30, 1.0), Rate("send", 1, 1.0, per="person"))
    about = gettext_noop("Messages to your bot, and what is said to it in groups, come in; answers go out.")
    needs = (gettext_noop("A bot: @BotFather in Telegram makes one and gives its token."),)

    def count_length(self, text: str) -> int:
        """In UTF-16, as Telegram counts."""
        return sending.count_utf16(text)

    def limits(self, account: ChannelAccount, *, public: bool) -> Limits:
        return sending.limits()

    # Connecting

    def fill_account(self, account: ChannelAccount, cleaned: Mapping[str, Any]) -> None:
        """Asks the bot who it is: people in groups call it by its name."""
        super().fill_account(account, cleaned)
        bot_id = str(account.credentials.get("bot_token", "")).partition(":")[0]
        if account.external_id != bot_id:
            account.cursor = {}
        account.network, account.external_id = self.networks[0], bot_id
        with Bot(account) as bot:
            me = result(bot.ask("getMe"))
        account.settings = {**account.settings, "username": maybe_text(me, "username")}
        account.name = account.name or f"@{maybe_text(me, 'username')}"

    def check(self, account: ChannelAccount) -> None:
        """Whether the token is this bot's. Raises SendFailed."""
        with Bot(account) as bot:
            me = result(bot.ask("getMe"))
        if str(maybe_whole(me, "id")) != account.external_id:
            raise PermanentFailure(_("This token is of another bot."), advice=new_token())

    def examine(self, account: ChannelAccount) -> Sequence[Finding]:
        """Token, webhook and what the bot may read in groups."""
        try:
            with Bot(account) as bot:
                me = result(bot.ask("getMe"))
                hook = result(bot.ask("getWebhookInfo"))
        except SendFailed as failure:
            return [Finding("token", works=False, text=str(failure), remedy=failure.advice)]
        findings = [
            Finding("token", works=True, text=f"@{maybe_text(me, 'username')}"),
            _of_hook(account, hook),
        ]
        if account.settings.get("groups"):
            findings.append(_of_groups(me))
        return findings

    # Webhooks

    def subscribe(self, account: ChannelAccount, address: str) -> Subscription:
        """Give Telegram our address and a secret that it sends along, the same one as long as it lasts."""
        secret = str(account.credentials.get("hook_secret") or token_urlsafe(32))
        with Bot(account) as bot:
            bot.do(
                "setWebhook",
                url=address,
                secret_token=secret,
                max_connections=CONNECTIONS,
                allowed_updates=list(ASKED_FOR),
            )
        return Subscription(active=True, secrets={"hook_secret": secret})

    def unsubscribe(self, account: ChannelAccount) -> None:
        """What was not delivered yet stays with Telegram, for whoever asks for it."""
        with Bot(account) as bot:
            bot.do("deleteWebhook", drop_pending_updates=False)

    def verify(self, hook: Hook, account: ChannelAccount | None) -> None:
        """Compare the secret that came along with ours."""
        ours = str(account.credentials.get("hook_secret", "")) if account else ""
        theirs = hook.headers.get(SECRET_HEADER, "")
        if not ours or not compare_digest(theirs.encode(), ours.encode()):
            raise Forged("the secret token is missing or wrong")

    def delivery_key(self, hook: Hook) -> str:
        """The number of the update, the same when it is sent again."""
        try:
            return str(whole(load(hook.body), "update_id"))
        except ValueError:
            return ""

    def parse(self, raw: RawEvent) -> Sequence[Parcel]:
        if raw.account is None:
            raise ValueError("The update belongs to no bot.")
        return [parcel_of(load(bytes(raw.body)), us_of(raw.account), received_at=raw.received_at)]

    # Pulling

    def pull(self, account: ChannelAccount) -> Iterator[Page]:
        """Updates from the cursor on, where no webhook is set.

        Telegram forgets an update once a higher number is asked for. The next call is made only after the
        page before it is stored with its cursor, so only what is safe here is confirmed there.
        """
        if account.hook_state == HookState.ON:
            return
        offset = _place(account)
        with Bot(account) as bot:
            while True:
                found = _updates(bot, account, offset)
                if not found:
                    return
                page = page_of(found, us_of(account), offset)
                offset = int(page.cursor["offset"])
                yield page

    def fetch_file(self, account: ChannelAccount, file: File, *, most: int) -> File:
        """By the file's id: Telegram gives a path that holds for an hour."""
        with Bot(account) as bot:
            told = result(bot.ask("getFile", file_id=file.url))
            path = maybe_text(told, "file_path")
            if not path:
                raise PermanentFailure(_("Telegram gives bots files of up to 20 MB."))
            answer = bot.download(path, most=min(most, MOST_BYTES))
        return replace(file, content=answer.body, size=len(answer.body))

    # Out

    def send(self, outgoing: Outgoing) -> Sent:
        return sending.send(outgoing)

    def act(self, account: ChannelAccount, act: Act, target: Target) -> None:
        place = sending.place_of_message(target.external_id)
        if place is None:
            raise PermanentFailure(_("That can be done to messages only."))
        message: dict[str, Any] = {"chat_id": place.chat, "message_id": place.reply_to}
        with Bot(account, bucket="send") as bot:
            if act == Act.DELETE and place.connection:
                bot.do(
                    "deleteBusinessMessages",
                    business_connection_id=place.connection,
                    message_ids=[place.reply_to],
                )
            elif act == Act.DELETE:
                bot.do("deleteMessage", **message)
            elif place.connection:
                raise PermanentFailure(_("A bot cannot react in the chats of a business account."))
            else:
                reaction = [{"type": "emoji", "emoji": LIKED}] if act == Act.LIKE else []
                bot.do("setMessageReaction", **message, reaction=reaction)


def _place(account: ChannelAccount) -> int:
    """The number from which updates are asked for; 0 for the oldest that Telegram still has."""
    at = str(account.cursor.get("at", ""))
    if not at or parse_when(at) < timezone.now() - SILENCE:
        return 0
    return int(account.cursor.get("offset", 0))


def _updates(bot: Bot, account: ChannelAccount, offset: int) -> Sequence[Json]:
    """One page; a webhook of ours that is no longer wanted is taken off first."""
    try:
        return _asked(bot, offset)
    except Conflict:
        url = maybe_text(result(bot.ask("getWebhookInfo")), "url")
        if not account.hook_key or account.hook_key not in url:
            raise
    bot.do("deleteWebhook", drop_pending_updates=False)
    return _asked(bot, offset)


def _asked(bot: Bot, offset: int) -> Sequence[Json]:
    given = {"offset": offset} if offset else {}
    return results(bot.ask("getUpdates", limit=PAGE, timeout=0, allowed_updates=list(ASKED_FOR), **given))


def us_of(account: ChannelAccount) -> Us:
    """The bot of an account, as messages name it."""
    number = int(account.external_id) if account.external_id.isdigit() else 0
    settings = account.settings
    taken = frozenset(str(settings.get("connections") or "").replace(",", " ").split())
    return Us(
        number,
        str(settings.get("username", "")),
        groups=bool(settings.get("groups", True)),
        connections=taken,
    )


def page_of(found: Sequence[Json], us: Us, offset: int) -> Page:
    """One answer of getUpdates. Raises TransientFailure where it does not go on from its own numbers."""
    events: list[Event | Change] = []
    posts: list[PostRef] = []
    bad: list[Bad] = []
    now = timezone.now()
    numbers = [maybe_whole(update, "update_id") for update in found]
    if max(numbers) < offset or not max(numbers):
        raise TransientFailure(_("Telegram gives the same updates again and again."))
    for number, update in zip(numbers, found, strict=True):
        try:
            parcel = parcel_of(update, us, received_at=now)
        except ValueError as error:
            body = json.dumps(update).encode()
            bad.append(Bad(str(number) if number else sha256(body).hexdigest(), str(error), body))
        else:
            events += parcel.events
            posts += parcel.posts
    cursor = {"offset": max(numbers) + 1, "at": now.isoformat()}
    return Page(events, cursor, bad=bad, posts=posts, more=len(found) >= PAGE)


def _of_hook(account: ChannelAccount, hook: Json) -> Finding:
    waiting, error = maybe_whole(hook, "pending_update_count"), maybe_text(hook, "last_error_message")
    wanted = account.hook_state == HookState.ON
    text = _("%(n)s updates are waiting.") % {"n": waiting}
    if bool(maybe_text(hook, "url")) != wanted:
        told = _("No webhook is set, though it should be.") if wanted else _("Another program set a webhook.")
        return Finding("webhook", works=False, text=told, remedy=other_reader())
    if wanted and error and waiting:
        return Finding("webhook", works=False, text=f"{error} {text}", remedy=_reach_us())
    return Finding("webhook", works=True, text=text if wanted else _("Read by asking. %(n)s") % {"n": text})


def _reach_us() -> str:
    return _("Telegram must reach our public address by https on port 443, 80, 88 or 8443.")


def _of_groups(me: Json) -> Finding:
    if me.get("can_read_all_group_messages") is True:
        return Finding("groups", works=True, text=_("The bot sees everything that is said in its groups."))
    return Finding(
        "groups",
        works=True,
        text=_("In groups the bot sees only commands, and answers to it."),
        remedy=_("For mentions and comments: @BotFather, /setprivacy, Disable; or make it an admin there."),
    )
