"""What the people of the demo shop work as and like, where they have told it.

Drawn from a stream of its own for each person, so that nothing else of the demo moves by it. Networks lean: what
somebody likes shows a little in where they are.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Final

WORK: Final = (
    # field of work, job titles, weight, networks where it is more common
    ("Teaching", ("Teacher", "School librarian", "Lecturer"), 5, ("facebook", "email")),
    ("Nursing", ("Nurse", "Midwife"), 4, ("whatsapp", "facebook")),
    ("Design", ("Interior designer", "Illustrator", "Set designer"), 4, ("instagram",)),
    ("Software", ("Developer", "Systems administrator"), 4, ("x",)),
    ("Administration", ("Office manager", "Clerk"), 4, ("email", "phone")),
    ("Hospitality", ("Café owner", "Hotel manager", "Cook"), 3, ("instagram", "phone")),
    ("Gardening", ("Gardener", "Florist"), 2, ("instagram", "review")),
    ("Law", ("Solicitor", "Notary's clerk"), 2, ("email",)),
    ("Research", ("Botanist", "Lab technician"), 2, ("x", "email")),
    ("Craft", ("Carpenter", "Potter"), 2, ("instagram", "review")),
    ("Retirement", ("Retired",), 3, ("phone", "facebook")),
)
INTERESTS: Final = (
    ("Interior design", 5, ("instagram",)),
    ("Cooking", 5, ("facebook", "instagram")),
    ("Balcony gardening", 5, ("instagram", "review")),
    ("Reading", 4, ("email",)),
    ("Photography", 4, ("instagram", "x")),
    ("Hiking", 4, ("whatsapp", "facebook")),
    ("Rare plants", 3, ("x", "review")),
    ("Sustainability", 3, ("x", "instagram")),
    ("Crafts", 3, ("facebook",)),
    ("Gaming", 2, ("x", "chat")),
    ("Music", 3, ("whatsapp",)),
)
TOLD_WORK, TOLD_INTERESTS = 0.55, 0.5
"""Parts of all people who have told it."""
LEANING = 2.5


def work_of(seed: int, number: int, networks: Collection[str]) -> tuple[str, str]:
    """Field of work and job title; two empty texts for somebody who has not told it."""
    chance = random.Random(f"{seed} work {number}")
    if chance.random() >= TOLD_WORK:
        return "", ""
    weights = [_weight(weight, where, networks) for _field, _jobs, weight, where in WORK]
    field, jobs, _own, _where = chance.choices(WORK, weights)[0]
    return field, chance.choice(jobs)


def interests_of(seed: int, number: int, networks: Collection[str]) -> tuple[str, ...]:
    """Up to three interests, each once."""
    chance = random.Random(f"{seed} interests {number}")
    if chance.random() >= TOLD_INTERESTS:
        return ()
    weights = [_weight(weight, where, networks) for _name, weight, where in INTERESTS]
    drawn = chance.choices([name for name, _own, _where in INTERESTS], weights, k=chance.randint(1, 3))
    return tuple(dict.fromkeys(drawn))


def _weight(weight: float, where: Collection[str], networks: Collection[str]) -> float:
    return weight * LEANING ** len({*where} & {*networks})
