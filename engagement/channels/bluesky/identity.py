"""From a handle to the account behind it and the server that keeps it.

A handle names a DID, and the DID's document names the server (PDS). Both answers come from outside, so every
address in them is visited as one that a stranger gave.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from django.utils.translation import gettext as _

from core import http
from engagement.channels.base import platform_url
from engagement.channels.bluesky.client import ask, service_url
from engagement.channels.bluesky.ids import is_did, is_handle
from engagement.channels.failures import PermanentFailure, SendFailed, translated
from engagement.channels.fields import Json, maybe_objects, maybe_text

DIRECTORY_BYTES = 256 * 1024


@dataclass(frozen=True)
class Whereabouts:
    """An account of the network: its id, its handle, and where it is kept."""

    did: str
    handle: str
    pds: str


def find(name: str) -> Whereabouts:
    """The account behind a handle or DID. Raises SendFailed in plain words."""
    did = name if is_did(name) else resolve_handle(name)
    document = document_of(did)
    handle = _handle_in(document)
    if not is_did(name) and handle != name:
        raise PermanentFailure(
            _("The handle %(handle)s points to an account that does not call itself so.") % {"handle": name}
        )
    return Whereabouts(did, handle or did, _service_in(document))


def resolve_handle(handle: str) -> str:
    """The DID of a handle. Raises SendFailed."""
    if not is_handle(handle):
        raise PermanentFailure(_("“%(handle)s” is not a handle.") % {"handle": handle[:80]})
    with http.Client(f"{platform_url('bluesky', 'https://public.api.bsky.app')}/") as client:
        try:
            found = ask(client, "com.atproto.identity.resolveHandle", {"handle": handle})
        except PermanentFailure:
            raise PermanentFailure(
                _("Bluesky knows nobody by the handle %(handle)s.") % {"handle": handle}
            ) from None
    did = maybe_text(found, "did")
    if not is_did(did):
        raise PermanentFailure(_("Bluesky gave no id for the handle %(handle)s.") % {"handle": handle})
    return did


def document_of(did: str) -> Json:
    """The document of a DID. Raises SendFailed."""
    if not is_did(did):
        raise PermanentFailure(_("“%(did)s” is not an id that Bluesky knows.") % {"did": did[:80]})
    kind, _colon, rest = did.removeprefix("did:").partition(":")
    with translated():
        if kind == "plc":
            directory = platform_url("bluesky-plc", "https://plc.directory")
            with http.Client(f"{directory}/", max_bytes=DIRECTORY_BYTES) as client:
                found = client.get(f"{directory}/{did}").json()
        else:
            place = service_url(f"https://{unquote(rest)}")
            with http.Client(place, user_given=True, max_bytes=DIRECTORY_BYTES) as client:
                found = client.get(".well-known/did.json").json()
    if not isinstance(found, dict) or found.get("id") != did:
        raise PermanentFailure(_("The document of %(did)s is about somebody else.") % {"did": did})
    return found


def service_of(did: str) -> str:
    """The server that keeps this account, with which its files can be fetched. Raises SendFailed."""
    return _service_in(document_of(did))


def service_or_none(did: str) -> str:
    """The same, '' where it cannot be found out now."""
    try:
        return service_of(did)
    except SendFailed:
        return ""


def _handle_in(document: Json) -> str:
    known = document.get("alsoKnownAs")
    names = known if isinstance(known, list) else []
    found = [name.removeprefix("at://") for name in names if str(name).startswith("at://")]
    return found[0].lower() if found else ""


def _service_in(document: Json) -> str:
    for service in maybe_objects(document, "service"):
        if maybe_text(service, "id").endswith("#atproto_pds"):
            return service_url(maybe_text(service, "serviceEndpoint"))
    raise PermanentFailure(_("The account is kept on no server."))
