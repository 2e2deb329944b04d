"""What the staff of the demo shop have written on its personas, once the first rebuild has found them.

Which groups are found is computed, so the words follow from the habits a persona is named after. Nothing that
somebody has written since is touched: a persona gets its words with its first card and never again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from core.models import Workspace
from personas.models import NotePart, Persona, PersonaNote
from personas.nightly import Run, register_step


@dataclass(frozen=True)
class Words:
    """What is said of one habit: a sentence, what they want, what moves them, and how to speak to them."""

    about: str
    goals: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()
    speak: tuple[str, ...] = ()


BY_WORD: Final = {
    # what they are
    "fans": Words(
        "They tell others about us before we ask, and notice the small things.",
        ("Plants that look as good in March as on the day they came", "To show friends what grew"),
        ("Being recognized", "Beautiful things with a story"),
        ("Thank them by what they said, not by a phrase", "- No discount as a reply to praise"),
    ),
    "premium buyers": Words(
        "They choose the larger plant and the better pot, after asking twice whether it fits.",
        ("The right plant for one particular corner", "To buy once and well"),
        ("Quality they can see", "Advice from somebody who knows"),
        ("Give measures, light and care in figures", "Name one thing, not five", "- No urgency"),
    ),
    "conversationalists": Words(
        "They write more than they buy: a question here, a picture there, an answer to somebody else.",
        ("To understand what their plant is telling them", "An answer the same evening"),
        ("Learning", "Company of others who care"),
        ("Answer the question first, then the person", "Ask for a picture", "- No links to the help pages"),
    ),
    "bulk buyers": Words(
        "They furnish offices, stairwells and cafés, several of each at a time, and want it done.",
        ("Delivery on the day that was promised", "One invoice, one person to ask"),
        ("Reliability", "Time saved"),
        ("Say the date and the number first", "Offer to repeat the last order", "- No small talk"),
    ),
    "bargain hunters": Words(
        "They know what it cost last year, and wait for the sale.",
        ("A fair price for a healthy plant",),
        ("The pleasure of a good find",),
        ("Tell when the next sale is", "- Do not defend a price"),
    ),
    "repeat buyers": Words(
        "They come back for what they know: the same soil, the same plant for the next room.",
        ("To have it as last time",),
        ("Habit", "Trust"),
        ("Offer what they had, in one line", "- No tour of what is new"),
    ),
    "callers": Words(
        "They reach for the phone rather than the keyboard.",
        ("To hear a person",),
        ("Being heard",),
        ("Call back within the hour", "- No written answer to a call"),
    ),
    "reviewers": Words(
        "They write down in public what they think, good or bad.",
        ("To warn or to win others",),
        ("Fairness",),
        ("Answer in public, thank for the detail", "- No form letter under a review"),
    ),
    # how they are
    "critical": Words(
        "They say at once when something is wrong.",
        ("That it is put right, soon",),
        ("Fairness",),
        ("Say what you will do and by when, before anything else", "- No “sorry for the inconvenience”"),
    ),
    "displeased": Words(
        "Something went wrong more often than it should.",
        ("That it is put right, soon",),
        (),
        ("Begin with what went wrong, in their words", "- No smileys"),
    ),
    "curious": Words("They ask before they act.", (), ("Knowing why",), ("Explain why, in two sentences",)),
    "daytime": Words("They write between two meetings.", (), (), ("Short enough for a phone",)),
    "evening": Words(
        "Their day with us begins when work ends.", (), (), ("Answer before nine in the evening",)
    ),
    "young": Words("Many are in their first own home.", ("A home that feels like theirs",), (), ()),
    "long-standing": Words("They have been with us from the first months.", (), ("Belonging",), ()),
    "thrifty": Words("They take the smaller pot and make it last.", (), ("Value for money",), ()),
}
"""By a word that personas are named with."""
PLAIN: Final = Words(
    "A part of our customers that behaves alike; what drives them is still to be found out.",
    ("Healthy plants", "A quick, honest answer"),
    (),
    ("By name, plainly", "- No form letters"),
)
NOTE = "Wants a care calendar for the plants they own"
SOURCE = "Nine conversations at the counter, autumn"


def write_on_personas(run: Run) -> dict[str, Any]:
    """The step of the rebuild: words for the personas of a demo that have no card yet."""
    if Workspace.current().demo_since is None:
        return {"written": 0}
    empty = Persona.objects.filter(card_at=None, is_rule=False, segment=None, summary="", how_to_speak="")
    fresh = list(empty.order_by("pk"))
    for persona in fresh:
        _write(persona)
    return {"written": len(fresh)}


def _write(persona: Persona) -> None:
    named = [str(one.get("word", "")) for one in persona.name_explained]
    # The noun says what they are, so it speaks first.
    found = [BY_WORD[word] for word in reversed(named) if word in BY_WORD] or [PLAIN]
    values = {
        "summary": " ".join(one.about for one in found),
        "goals": _lines(found, "goals", 3),
        "motivations": _lines(found, "moves", 3),
        "how_to_speak": _lines(found, "speak", 4),
    }
    Persona.objects.filter(pk=persona.pk).update(**values)
    PersonaNote.objects.get_or_create(
        persona=persona, part=NotePart.WANTS, text=NOTE, defaults={"source": SOURCE}
    )


def _lines(found: list[Words], part: str, most: int) -> str:
    lines = dict.fromkeys(line for one in found for line in getattr(one, part))
    # What not to do stands last.
    ordered = sorted(lines, key=lambda line: line.startswith("-"))
    return "\n".join(ordered[: most - 1] + ordered[-1:] if len(ordered) > most else ordered)


def register() -> None:
    """Add the step to the rebuild; called once, when the app is ready."""
    register_step("demo words", write_on_personas, 47, weight=0.1)
