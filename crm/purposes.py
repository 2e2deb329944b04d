"""What customers can allow or refuse: one fixed list, which pages, files, rules and the API share.

A purpose is a promise about what happens with somebody's data, in words that a customer reads. A list that
every workspace could change would make yesterday's "yes" mean something else today, so it is code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.identities import EMAIL, PHONE


@dataclass(frozen=True)
class Purpose:
    """One purpose. `needs_yes`: nothing happens before a yes; else it happens until somebody refuses.

    `networks` are those on which it can be asked; none named is all of them.
    """

    name: str
    label: Promise | str
    explanation: Promise | str
    needs_yes: bool = True
    of_person: bool = False
    """Whether it is about the person and not about one handle: no channel of its own."""
    networks: tuple[str, ...] = ()

    def suits(self, network: str) -> bool:
        """Whether it can be asked of an identity on this network."""
        return not self.networks or network in self.networks


PURPOSES: dict[str, Purpose] = {
    purpose.name: purpose
    for purpose in (
        Purpose(
            "marketing",
            gettext_lazy("News and offers"),
            gettext_lazy("Messages about products, offers and events that you did not ask for one by one."),
        ),
        Purpose(
            "ads",
            gettext_lazy("Advertising on other platforms"),
            gettext_lazy(
                "Your address or number, made unreadable first, is matched with an advertising platform's"
                " users so that it shows you our advertisements."
            ),
            networks=(EMAIL, PHONE),
        ),
        Purpose(
            "survey",
            gettext_lazy("Surveys"),
            gettext_lazy("Now and then a question about how it went."),
        ),
        Purpose(
            "calls",
            gettext_lazy("Phone calls"),
            gettext_lazy("We may call you without having been asked to."),
            networks=(PHONE,),
        ),
        Purpose(
            "visits",
            gettext_lazy("Visits to our website"),
            gettext_lazy("Which of our pages you opened is kept with what we know about you."),
            of_person=True,
        ),
        Purpose(
            "service",
            gettext_lazy("Messages about your orders and questions"),
            gettext_lazy("Answers, deliveries, and what you need to know about something you bought."),
            needs_yes=False,
        ),
        Purpose(
            "profiling",
            gettext_lazy("A profile of you"),
            gettext_lazy(
                "From what you bought and wrote we compute what may interest you and how you like to be"
                " spoken to."
            ),
            needs_yes=False,
            of_person=True,
        ),
    )
}
PROFILING = "profiling"
MARKETING = "marketing"


def check_purposes(names: Iterable[str]) -> None:
    """Raises ValidationError for a purpose that is not one of ours."""
    unknown = sorted({name for name in names if name not in PURPOSES})
    if unknown:
        words = _("There is no purpose %(unknown)s. Known: %(known)s.")
        said = {"unknown": ", ".join(unknown), "known": ", ".join(PURPOSES)}
        raise ValidationError({"purpose": ValidationError(words % said, code="invalid_choice")})


def label_of(name: str) -> str:
    """How people read a purpose; one that is no longer known reads as it was written."""
    purpose = PURPOSES.get(name)
    return str(purpose.label) if purpose else name.capitalize()
