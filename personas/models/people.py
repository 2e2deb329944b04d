"""Who is where: customers by network and by age, profession or interest."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class PeopleFact(models.TextChoices):
    """What customers are counted by."""

    AGE = "age", "Age"
    PROFESSION = "profession", "Work"
    INTEREST = "interest", "Interests"


class PeopleCount(models.Model):
    """Customers of one persona who have an identity on one network and of whom one thing is known.

    Network '' is everybody, each once; persona 0 is of those in none. `value` '' is everybody of whom the
    fact is known at all: the base of the others (an interest can be one of several).
    """

    fact = models.CharField(max_length=10, choices=PeopleFact.choices)
    value = models.CharField(max_length=120, blank=True)
    network = models.CharField(max_length=30, blank=True)
    persona_id = models.BigIntegerField(default=0)
    customers = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["fact", "value", "network", "persona_id"], name="personas_peoplecount_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.fact} {self.value} on {self.network}: {self.customers}"
