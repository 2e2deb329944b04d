"""How rules ask for traits: one field each, but for facts of the record, which have fields of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

from django.conf.locale import LANG_INFO

from core.conditions import Field, FieldType
from core.models import Workspace
from crm.countries import country_names
from crm.profile import MORE_LANGUAGES, language_name
from personas.traits.catalogue import CATALOGUE
from personas.traits.trait import WEEKDAYS, Trait

if TYPE_CHECKING:
    from core.conditions.fields import Choices, ChoiceSource

LIVE = {"birth_year": "c.birth_year", "language": "split_part(c.language, '-', 1)", "country": "c.country"}
"""Asked of the record as it stands, and not of the last rebuild; pt-BR is Portuguese."""
TYPES = {"text": FieldType.TEXT, "time": FieldType.DATETIME, "money": FieldType.MONEY}


def trait_fields(*, networks: ChoiceSource, currency: Callable[[], str]) -> Sequence[Field]:
    """A field for each trait that has none yet; `networks` are the choices of one that is a network."""
    choices: dict[str, ChoiceSource] = {
        "top_network": networks,
        "top_topic": topics,
        "top_complaint": topics,
        "top_media": media,
        "usual_weekday": list(enumerate(WEEKDAYS, start=1)),
        "language": languages,
        "country": countries,
    }
    for trait in CATALOGUE:
        if trait.values:
            choices[trait.name] = [(value, value) for value in trait.values]
    return [_field(trait, choices.get(trait.name), currency) for trait in CATALOGUE if not trait.rule]


def _field(trait: Trait, choices: ChoiceSource, currency: Callable[[], str]) -> Field:
    is_money = "money" in (trait.type, trait.unit)
    kind = FieldType.MONEY if is_money else TYPES.get(trait.type, FieldType.NUMBER)
    return Field(
        trait.rule_field,
        trait.label,
        FieldType.CHOICE if choices else kind,
        _sql(trait),
        trait.group,
        choices=choices,
        unit=currency if is_money else "%" if trait.type == "share" else trait.unit,
        nullable=not trait.is_zero_when_empty,
        joins=() if trait.name in LIVE else ("traits",),
        phrase=trait.phrase,
        suggestions=bought if trait.name == "top_category" else None,
    )


def _sql(trait: Trait) -> str:
    """The column; shares in percent, and 0 where nobody was looked at yet."""
    column = LIVE.get(trait.name, f"t.{trait.name}")
    if trait.type == "share":
        return f"100 * {column}"
    return f"coalesce({column}, 0)" if trait.is_zero_when_empty else column


def topics() -> Choices:
    """Topics that texts are read for."""
    from engagement.reading.vocabulary import TOPICS

    return [(topic, topic) for topic in sorted(TOPICS)]


def languages() -> Choices:
    """Languages by their names, those of the workspace first."""
    codes = {code for code in LANG_INFO if len(code) <= 3} | set(MORE_LANGUAGES)
    found = sorted(((code, language_name(code)) for code in codes), key=itemgetter(1))
    own = Workspace.current().languages
    return sorted(found, key=lambda pair: own.index(pair[0]) if pair[0] in own else len(own))


def countries() -> Choices:
    """All countries by their names, that of the workspace first."""
    own = Workspace.current().country
    return sorted(country_names().items(), key=lambda pair: pair[0] != own)


def bought() -> Sequence[str]:
    """The categories bought most, as the model of the next one knows them."""
    from personas.models import ModelCard

    card = ModelCard.objects.filter(name="category").first()
    return list(card.parameters.get("names", ())) if card else ()


def media() -> Choices:
    """Kinds of media of the posts that are kept."""
    from engagement.models import Post

    found = Post.objects.exclude(media="").order_by("media").values_list("media", flat=True).distinct()
    return [(kind, kind) for kind in found]
