"""A plan's figures as sentences for people: what each share rests on, and why something was left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from core import networks
from core.formatting import number, percent
from core.models import Workspace

Row = Mapping[str, Any]
KINDS: Mapping[str, Promise] = {
    "": gettext_lazy("Any kind"),
    "image": gettext_lazy("Image"),
    "video": gettext_lazy("Video"),
    "carousel": gettext_lazy("Carousel"),
    "album": gettext_lazy("Album"),
    "story": gettext_lazy("Story"),
    "link": gettext_lazy("Link"),
    "text": gettext_lazy("Text"),
    "audio": gettext_lazy("Audio"),
}
REASONS: Mapping[str, Promise] = {
    "no_account": gettext_lazy("no account of ours is connected"),
    "no_posts": gettext_lazy("nothing is posted there: people write to us directly"),
    "closed": gettext_lazy("our account there needs care first"),
    "cannot_start": gettext_lazy("our account there does not let us write first"),
    "no_handles": gettext_lazy("we know no address of theirs there"),
    "no_consent": gettext_lazy("nobody there has said yes to news and offers"),
    "at_limit": gettext_lazy("everybody there has reached the limit of messages"),
}
TOPIC_WORDS: Mapping[str, Promise] = {
    "question": gettext_lazy("they ask about it"),
    "complaint": gettext_lazy("they complain about it"),
    "praise": gettext_lazy("they praise it"),
}


def kind_label(media: str) -> str:
    """How people read a kind of media."""
    known = KINDS.get(media)
    return str(known) if known is not None else media.replace("_", " ").capitalize()


def left_out(row: Row) -> str:
    """Why nothing is planned on a network, with the figures."""
    said = str(REASONS.get(str(row["reason"]), row["reason"]))
    if row["reason"] == "no_consent":
        said += _(" (%(refused)s refused, %(never)s were never asked, of %(all)s)") % {
            "refused": number(row["refused"]),
            "never": number(row["never_asked"]),
            "all": number(row["handles"]),
        }
    if row["people_heard"]:
        heard = ngettext("one of them speaks there", "%(n)s of them speak there", row["people_heard"])
        said += "; " + heard % {"n": number(row["people_heard"])}
    return said


def post_evidence(row: Row) -> list[str]:
    """What the share of a network for posts rests on."""
    found = [
        _("%(n)s of their %(all)s touches in %(days)s days came by it, from %(people)s people.")
        % {
            "n": number(row["touches"]),
            "all": number(row["touches_of"]),
            "days": row["days"],
            "people": number(row["people"]),
        },
        _reacted(row),
        _("Expected of one more post: %(n)s reactions by them.") % {"n": number(row["expected"], 2)},
    ]
    return [*found, *_cost(row), *_weak(row)]


def _reacted(row: Row) -> str:
    if not row["posts_before"]:
        return _("We have posted nothing there in 365 days: what is expected goes by how busy it is.")
    return _("%(n)s reactions by them to %(posts)s posts in 365 days, of %(all)s by everybody.") % {
        "n": number(row["reactions"]),
        "posts": number(row["posts_before"]),
        "all": number(row["reactions_all"]),
    }


def message_evidence(row: Row) -> list[str]:
    """What the share of a network for messages rests on."""
    found = [
        _(
            "%(yes)s of the %(all)s whom we know there said yes to news and offers, %(refused)s refused and"
            " %(never)s were never asked."
        )
        % {
            "yes": number(row["yes"]),
            "all": number(row["handles"]),
            "refused": number(row["refused"]),
            "never": number(row["never_asked"]),
        },
        _("%(people)s of them are best written to here; the limit leaves %(most)s messages.")
        % {"people": number(row["people"]), "most": number(row["most"])},
        _("They answered %(n)s of %(sent)s messages of ours within a day; with everybody's, %(rate)s.")
        % {"n": number(row["answered"]), "sent": number(row["sent"]), "rate": percent(row["rate"])},
    ]
    if row["at_limit"]:
        found.append(_("%(n)s have reached the limit and get nothing.") % {"n": number(row["at_limit"])})
    return [*found, *_cost(row), *_weak(row)]


def kind_evidence(row: Row) -> list[str]:
    """What the share of a kind of content rests on."""
    if not row["posts"]:
        return [_("No kind of post is known there: choose by what you have.")]
    found = _("%(n)s reactions by them to %(posts)s such posts in 365 days, %(each)s each.") % {
        "n": number(row["reactions"]),
        "posts": number(row["posts"]),
        "each": number(row["reactions"] / row["posts"], 2),
    }
    return [found, *_weak(row)]


def _cost(row: Row) -> list[str]:
    cost = row.get("cost")
    if not cost:
        return []
    said = _("A new customer cost %(each)s %(currency)s there (%(n)s in %(days)s days).") % {
        "each": number(cost["a_new_customer"], 2),
        "currency": Workspace.current().currency,
        "n": number(cost["new_customers"]),
        "days": cost["days"],
    }
    if row["sway"] > 1:
        said += " " + _("That is cheap, so more is expected (×%(n)s).") % {"n": number(row["sway"], 2)}
    elif row["sway"] < 1:
        said += " " + _("That is dear, so less is expected (×%(n)s).") % {"n": number(row["sway"], 2)}
    return [said]


def _weak(row: Row) -> list[str]:
    return (
        [_("Weak: too few events of their own; everybody's stand in for what is missing.")]
        if row["weak"]
        else []
    )


def topic_reason(row: Row) -> str:
    """Why a topic is suggested."""
    said = _("%(why)s: %(n)s times") % {
        "why": TOPIC_WORDS.get(row["leading"], row["leading"]),
        "n": number(row["n"]),
    }
    return said + (_(" (by everybody; they said too little)") if row["weak"] else "")


def entry_title(entry: Row) -> str:
    """One line of the calendar in words."""
    network = networks.get(entry["network"]).label
    if entry["what"] == "message":
        said = ngettext("write to one person", "write to %(n)s people", entry["people"])
        return f"{network}: {said % {'n': number(entry['people'])}}"
    return f"{network}: {kind_label(entry['media'])}"


def entry_reason(entry: Row) -> str:
    """Why this day and hour."""
    if entry["weak"]:
        return _("Too few touches of theirs: everybody's hours.")
    return _("%(n)s times as busy as a usual hour of the week.") % {"n": number(entry["times"], 1)}
