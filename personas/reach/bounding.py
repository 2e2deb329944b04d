"""How long a plan, or what advertising brought, may be read for: both read more as the workspace grows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.translation import gettext as _

from accounts.models import User
from personas.quick_counts import MOST_AT_ONCE, RuleTooSlow, Superseded, TooManyAtOnce, cancellable

SECONDS = 20
"""In all, for however many statements: a web thread waits for them."""


class ReachTooSlow(Exception):
    """It was stopped; the words are for whoever asked."""


@contextmanager
def bounded(by: User) -> Iterator[None]:
    """What is read within ends after `SECONDS`, and one person reads so much at once and no more.

    Raises ReachTooSlow.
    """
    try:
        with cancellable(f"{by.pk} reach", SECONDS):
            yield
    except TooManyAtOnce as error:
        words = _("%(n)s counts of yours are under way. Wait until one is done.")
        raise ReachTooSlow(words % {"n": MOST_AT_ONCE}) from error
    except (RuleTooSlow, Superseded) as error:
        words = _(
            "It took over %(n)s seconds and was stopped. Choose fewer days or a smaller group, or try again "
            "when the server has less to do."
        )
        raise ReachTooSlow(words % {"n": SECONDS}) from error
