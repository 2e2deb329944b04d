"""What can be done to a post beside answering it: like, hide under ours, block its author, delete our own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from engagement.channels.base import Act, PermanentFailure, Target
from engagement.channels.bluesky.client import Xrpc
from engagement.channels.bluesky.ids import (
    BLOCK,
    LIKE,
    POST,
    THREADGATE,
    Address,
    address_of,
    did_of,
    record_key,
)
from engagement.channels.bluesky.pulling import written
from engagement.channels.bluesky.sending import record_or_none
from engagement.channels.fields import Json, maybe_mapping, maybe_objects, maybe_text

ACTS = frozenset({Act.LIKE, Act.UNLIKE, Act.HIDE, Act.UNHIDE, Act.DELETE, Act.BLOCK, Act.UNBLOCK})
MOST_HIDDEN = 300
_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


def act(xrpc: Xrpc, what: Act, target: Target) -> None:
    """Do it; done twice it is as done once. Raises SendFailed."""
    if what in (Act.BLOCK, Act.UNBLOCK):
        _block(xrpc, what, target)
        return
    if not did_of(target.external_id):
        raise PermanentFailure(_("That can be done to posts only, not to direct messages."))
    if what in (Act.LIKE, Act.UNLIKE):
        _like(xrpc, what, target.external_id)
    elif what == Act.DELETE:
        _delete(xrpc, target.external_id)
    else:
        _hide(xrpc, what, target.external_id)


def _like(xrpc: Xrpc, what: Act, uri: str) -> None:
    post = _post(xrpc, uri)
    liked = maybe_text(post, "viewer.like")
    if what == Act.UNLIKE:
        _drop(xrpc, liked)
    elif not liked:
        subject = {"uri": uri, "cid": maybe_text(post, "cid")}
        record = {"$type": LIKE, "subject": subject, "createdAt": written(timezone.now())}
        xrpc.put_record(LIKE, _key_for(uri), record)


def _key_for(subject: str) -> str:
    """The same key for the same thing at every time: one like, one block, however often it is asked for."""
    return record_key(_BEGINNING, subject)


def _drop(xrpc: Xrpc, uri: str) -> None:
    if uri:
        where = address_of(uri)
        xrpc.delete_record(where.collection, where.rkey)


def _delete(xrpc: Xrpc, uri: str) -> None:
    where = address_of(uri)
    if where.did != xrpc.did:
        raise PermanentFailure(
            _("Only its author can delete a post on Bluesky."), advice=_("Hide it, or block its author.")
        )
    xrpc.delete_record(POST, where.rkey)


def _block(xrpc: Xrpc, what: Act, target: Target) -> None:
    if target.author is None:
        raise PermanentFailure(_("There is nobody to block."))
    did = target.author.external_id
    profile = xrpc.get("app.bsky.actor.getProfile", {"actor": did})
    blocked = maybe_text(profile, "viewer.blocking")
    if what == Act.UNBLOCK:
        _drop(xrpc, blocked)
    elif not blocked:
        record = {"$type": BLOCK, "subject": did, "createdAt": written(timezone.now())}
        xrpc.put_record(BLOCK, _key_for(did), record)


def _hide(xrpc: Xrpc, what: Act, uri: str) -> None:
    """Our post's threadgate lists the answers that are hidden under it; the rest of it stays as it is."""
    root = maybe_text(_post(xrpc, uri), "record.reply.root.uri")
    if did_of(root) != xrpc.did:
        raise PermanentFailure(
            _("Only answers under our own posts can be hidden."), advice=_("Block its author instead.")
        )
    where = Address(xrpc.did, THREADGATE, address_of(root).rkey)
    kept = record_or_none(xrpc, where)
    gate = dict(maybe_mapping(kept or {}, "value")) or _open_gate(root)
    hidden = [one for one in _hidden(gate) if one != uri]
    if what == Act.HIDE:
        hidden.append(uri)
    if len(hidden) > MOST_HIDDEN:
        raise PermanentFailure(_("Bluesky hides 300 answers under one post at most."))
    if kept is None and not hidden:
        return
    # Somebody else may change it meanwhile: then this is refused and tried again.
    swap = {"swapRecord": maybe_text(kept, "cid") or None} if kept else {"swapRecord": None}
    xrpc.put_record(THREADGATE, where.rkey, {**gate, "hiddenReplies": hidden}, **swap)


def _open_gate(root: str) -> dict[str, Any]:
    return {"$type": THREADGATE, "post": root, "createdAt": written(timezone.now())}


def _hidden(gate: Json) -> Sequence[str]:
    found = gate.get("hiddenReplies")
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _post(xrpc: Xrpc, uri: str) -> Json:
    found = maybe_objects(xrpc.get("app.bsky.feed.getPosts", {"uris": [uri]}), "posts")
    if not found:
        raise PermanentFailure(_("The post is no longer on Bluesky, or its author blocks us."))
    return found[0]
