"""The first step of the rebuild: learn from labels and tags, and tell the reasons of what is new."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.jobs import Progress
from engagement.rereading import register_afterwards
from personas.nightly import Run, register_step


def learn_texts(run: Run) -> Mapping[str, Any]:
    """Before the traits, which count what is told here. Models are tried weekly and after an erasure."""
    from personas.text import training

    moods = training.train_moods(now=run.moment.now)
    run.tick(0.4)
    learned = training.train_reasons(now=run.moment.now)
    training.forget_erased(run.moment.now)
    run.tick(0.7)
    told = training.tell_reasons(tick=lambda: run.tick(0.8))
    return {
        "models tried": moods["tried"],
        "models used": moods["used"],
        "tags told": learned["told"],
        "reasons": told["followed"] + told["told"],
    }


def register() -> None:
    """Called once, when the app is ready."""
    register_step("texts", learn_texts, 5, weight=0.5)
    register_afterwards(_tell_again)


def _tell_again(progress: Progress) -> Mapping[str, int]:
    from personas.text import training

    return training.tell_again(progress)
