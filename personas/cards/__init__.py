"""Persona cards: who they are, what they want, what hurts, where and when to reach them.

Everything here is measured and says its base. What people wrote on a persona is never touched.
"""

from personas.cards.apart import sets_apart
from personas.cards.making import best_hours
from personas.cards.voices import quotes, without_names
from personas.cards.writing import refresh_cards

__all__ = ["best_hours", "quotes", "refresh_cards", "sets_apart", "without_names"]
