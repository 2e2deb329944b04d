"""What the logins of Facebook and Instagram have in common."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

from engagement.channels.failures import PermanentFailure
from engagement.channels.meta.reading import Json


def refuse_refusal(query: Mapping[str, str]) -> None:
    """Say in plain words that somebody pressed Cancel. Raises PermanentFailure."""
    if query.get("error") == "access_denied" or query.get("error_reason") == "user_denied":
        raise PermanentFailure(_("The login was cancelled. Nothing was connected."))
    if query.get("error") or not query.get("code"):
        why = query.get("error_description") or query.get("error_message") or query.get("error") or ""
        raise PermanentFailure(_("The login did not succeed. %(why)s") % {"why": why[:200]})


def token_in(answer: Json) -> str:
    """The token that a login gave. Raises PermanentFailure without one."""
    found = answer.get("access_token")
    if not isinstance(found, str) or not found:
        raise PermanentFailure(_("The platform gave no token for this login. Begin again."))
    return found
