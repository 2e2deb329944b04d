"""Computed facts on a customer: the catalogue and how they are computed."""

from personas.traits.catalogue import CATALOGUE, Trait

__all__ = ["CATALOGUE", "Trait"]
