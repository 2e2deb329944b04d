"""What rules over customers can ask: columns, traits, predictions, tags, consents, memberships and days.

Segments, audiences and saved views over customers share this one set, called "customer".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models import Sum

from core import networks
from core.conditions import Dimension, EventSource, Field, FieldSet, FieldType, define
from core.conditions.fields import Choices
from core.conditions.wording import listed
from core.models import Workspace
from personas.traits.asking import bought, trait_fields

if TYPE_CHECKING:
    from crm.models import CustomField

# Customers that were merged away are nobody; the planner folds the subquery into the scan.
BASE = "(SELECT * FROM crm_customer WHERE merged_into_id IS NULL) c"
WHO, RULES, TAGS, SOON = "Who they are", "Segments and personas", "Tags and consent", "What we expect"
OWN = "Fields of your own"
ORGANIZATIONS = (
    "(SELECT string_agg(o.name, ', ' ORDER BY o.name) FROM crm_affiliation a"
    " JOIN crm_customer o ON o.id = a.organization_id WHERE a.person_id = c.id)"
)
TASKS = "SELECT 1 FROM crm_task x WHERE x.customer_id = c.id AND x.done_at IS NULL"
SURVEY, NEXT = "100 * p.survey_probability", "who likely buy {} next"
TALKS = "SELECT 1 FROM engagement_conversation x WHERE x.customer_id = c.id AND x.status = 'open'"
# Every value was checked when it was written; the guards keep a rule alive should one not be what it seems.
OWN_SQL = {
    "text": (FieldType.TEXT, "c.custom->>'{key}'"),
    "url": (FieldType.TEXT, "c.custom->>'{key}'"),
    "choice": (FieldType.CHOICE, "c.custom->>'{key}'"),
    "number": (
        FieldType.NUMBER,
        "CASE WHEN jsonb_typeof(c.custom->'{key}') = 'number' THEN (c.custom->>'{key}')::numeric END",
    ),
    "flag": (
        FieldType.FLAG,
        "CASE WHEN jsonb_typeof(c.custom->'{key}') = 'boolean' THEN (c.custom->>'{key}')::boolean END",
    ),
    "date": (
        FieldType.DATE,
        "CASE WHEN pg_input_is_valid(c.custom->>'{key}', 'date') THEN (c.custom->>'{key}')::date END",
    ),
}
SAFE_KEY = re.compile(r"[a-z][a-z0-9_]*")


def register() -> None:
    """Define the set; called once, when the app is ready."""
    customers = define(FieldSet("customer", "Customers", base=BASE, key="c.id", lazy=_own_fields))
    customers.join("traits", "LEFT JOIN personas_traits t ON t.customer_id = c.id")
    customers.join("prediction", "LEFT JOIN personas_prediction p ON p.customer_id = c.id")
    customers.join("membership", "LEFT JOIN personas_personamembership m ON m.customer_id = c.id")
    customers.register(*_columns())
    customers.register(*trait_fields(networks=_networks, currency=currency))
    customers.register(*_predictions(), *_tags(), *_memberships(), *_events())


def currency() -> str:
    """What stands beside an amount of money."""
    return Workspace.current().currency


def _columns() -> Sequence[Field]:
    kinds = [("person", "Person"), ("organization", "Organization")]
    return [
        Field("customer.name", "Name", FieldType.TEXT, "c.name", WHO),
        Field(
            "customer.kind", "Person or organization", FieldType.CHOICE, "c.kind", WHO, kinds, nullable=False
        ),
        Field(
            "customer.stage",
            "Journey stage",
            FieldType.CHOICE,
            "c.stage",
            WHO,
            _stages,
            nullable=False,
            phrase="in {}",
        ),
        Field("customer.city", "City", FieldType.TEXT, "c.city", WHO),
        Field("customer.company", "Company", FieldType.TEXT, "c.company", WHO),
        Field("customer.job", "Work", FieldType.TEXT, "c.job", WHO),
        Field(
            "customer.profession",
            "Profession",
            FieldType.TEXT,
            "c.profession",
            WHO,
            suggestions=partial(_told, "profession"),
        ),
        Field(
            "customer.interests",
            "List of interests",
            FieldType.TEXT,
            "array_to_string(c.interests, ', ')",
            WHO,
            operators=("contains", "not_contains", "known", "unknown"),
            suggestions=partial(_told, "interest"),
        ),
        Field("customer.zone", "Time zone", FieldType.TEXT, "c.zone", WHO),
        Field("customer.owner", "Looked after by", FieldType.CHOICE, "c.owner_id", WHO, _staff),
        Field(
            "customer.referred",
            "Referred by somebody",
            FieldType.FLAG,
            "c.referred_by_id IS NOT NULL",
            WHO,
            phrase="who were referred by somebody",
        ),
        Field("customer.organization", "Organization", FieldType.TEXT, ORGANIZATIONS, WHO),
        Field(
            "customer.task", "Open task", FieldType.FLAG, f"EXISTS ({TASKS})", WHO, phrase="with an open task"
        ),
        Field(
            "customer.conversation",
            "Open conversation",
            FieldType.FLAG,
            f"EXISTS ({TALKS})",
            WHO,
            phrase="with an open conversation",
        ),
        Field("customer.created_at", "Known since", FieldType.DATETIME, "c.created_at", WHO, nullable=False),
        Field("customer.refused", "Refused profiling", FieldType.FLAG, "c.profiling_refused", WHO),
    ]


def _predictions() -> Sequence[Field]:
    def field(name: str, label: str, kind: FieldType, sql: str, **more: object) -> Field:
        return Field(f"prediction.{name}", label, kind, sql, SOON, joins=("prediction",), **more)  # type: ignore[arg-type]

    return [
        field("active", "Still a customer", FieldType.NUMBER, "100 * p.active_probability", unit="%"),
        field("orders_365", "Expected orders, 365 days", FieldType.NUMBER, "p.orders_365"),
        field("value_365", "Expected revenue, 365 days", FieldType.MONEY, "p.value_365", unit=currency),
        field("value_low", "Expected revenue, at the least", FieldType.MONEY, "p.value_low", unit=currency),
        field("best_network", "Best network", FieldType.CHOICE, "p.best_network", choices=_networks),
        field("best_hour", "Best hour", FieldType.NUMBER, "p.best_hour", unit="o'clock"),
        field(
            "survey_probability",
            "Chance to answer a survey",
            FieldType.NUMBER,
            "100 * p.survey_probability",
            unit="%",
        ),
        field(
            "next_category",
            "Next category",
            FieldType.TEXT,
            "p.next_category",
            phrase="who likely buy {} next",
            suggestions=bought,
        ),
    ]


def _tags() -> Sequence[Field]:
    owned = "SELECT 1 FROM crm_customertag x WHERE x.customer_id = c.id AND x.tag_id = ANY(%(values)s)"
    # The newest answer over all identities; a refusal that names the person counts on every network.
    answer = "CASE WHEN x.given THEN 'given' ELSE 'refused' END"
    asked = (
        "FROM crm_consent x JOIN crm_identity i ON i.id = x.identity_id WHERE x.purpose = %(purpose)s"
        " AND (%(network)s::text IS NULL OR x.whole_person OR i.network = %(network)s)"
    )
    newest = "x.at DESC, x.whole_person DESC, x.given, x.id DESC"
    consent = f"(SELECT {answer} {asked} AND x.customer_id = c.id ORDER BY {newest} LIMIT 1)"
    consents = (
        f"FROM (SELECT DISTINCT ON (x.customer_id) x.customer_id, {answer} AS value {asked}"
        f" ORDER BY x.customer_id, {newest}) k WHERE k.customer_id = c.id"
    )
    about = (
        Dimension("purpose", "Purpose", choices=_purposes, phrase="for {}", required=True),
        Dimension("network", "Network", choices=_networks, phrase="on {}"),
    )
    return [
        Field("tag", "Tag", FieldType.TAG, f"EXISTS ({owned})", TAGS, _tag_names, refers="tag"),
        Field("consent", "Consent", FieldType.CONSENT, consent, TAGS, dimensions=about, rows=consents),
    ]


def _memberships() -> Sequence[Field]:
    inside = (
        "EXISTS (SELECT 1 FROM personas_segmentmembership x"
        " WHERE x.customer_id = c.id AND x.segment_id = ANY(%(values)s))"
    )
    is_one = (
        "EXISTS (SELECT 1 FROM personas_personamembership x"
        " WHERE x.customer_id = c.id AND x.persona_id = ANY(%(values)s))"
    )
    return [
        Field("segment", "Segment", FieldType.MEMBERSHIP, inside, RULES, _segments, refers="segment"),
        Field("persona", "Persona", FieldType.MEMBERSHIP, is_one, RULES, _personas, refers="persona"),
        Field(
            "persona.confidence",
            "Fit to persona",
            FieldType.NUMBER,
            "100 * m.confidence",
            RULES,
            unit="%",
            joins=("membership",),
        ),
    ]


def _events() -> Sequence[EventSource]:
    """Counted from one row a customer and local day, so a window of days never reads a message.

    The empty text keeps network, kind and direction out of the index condition: PostgreSQL 18 prices a skip
    scan over them too high and would read the whole window once a customer (1.3 s against 0.08 s).
    """
    network = Dimension("network", "Network", "d.network || ''", _networks, phrase="on {}")
    kind = Dimension("kind", "Kind", "d.kind || ''", KINDS, phrase="by {}")
    direction = Dimension("direction", "Direction", "d.direction || ''", DIRECTIONS, phrase="{}")

    def source(name: str, label: str, where: str, *dimensions: Dimension, **more: Any) -> EventSource:
        given = {"count": "d.n", "group": SAID, **more}
        return EventSource(
            name, label, "personas_customerday d", "d.customer_id = c.id", "d.day", where=where,
            dimensions=dimensions, **given,
        )  # fmt: skip

    def felt(name: str, label: str, verbs: Mapping[str, str]) -> EventSource:
        column = f"d.{name}_n"
        return source(name, label, f"{column} > 0", network, kind, count=column, verb=partial(_spoke, verbs))

    talk = "d.kind || '' NOT IN ('order', 'visit')"
    return [
        source("interaction", "Interaction", talk, network, kind, direction, noun=SPOKEN),
        felt("complaint", "Complained", {"": "complained"}),
        felt("question", "Asked a question", {"": "asked"}),
        felt("praise", "Praised us", {"": "praised us"}),
        felt("negative", "Spoke unhappily", {kind: f"{verb} unhappily" for kind, verb in SPOKE.items()}),
        felt("positive", "Spoke happily", {kind: f"{verb} happily" for kind, verb in SPOKE.items()}),
        source(
            "written", "We wrote to them", f"{talk} AND d.direction || '' = 'outbound'", network, kind,
            group=OURS, pronoun="whom we", verb=partial(_spoke, {"": "wrote to"}),
        ),
        EventSource(
            "contact", "We contacted them", "engagement_contactledger l", "l.customer_id = c.id", "l.at",
            day_type=FieldType.DATETIME, group=OURS, pronoun="whom we", verb=_contacted,
            dimensions=(Dimension("origin", "Why", "l.origin", ORIGINS, phrase="{}"),),
        ),
        source("visit", "Visit", "d.kind || '' = 'visit'", network, group=DONE, noun=("visit", "visits")),
        source("order", "Order", "d.kind || '' = 'order'", group=DONE, noun=("order", "orders")),
    ]  # fmt: skip


def _spoke(verbs: Mapping[str, str], labels: Mapping[str, tuple[str, ...]]) -> str:
    """'complained by comment on Instagram', 'commented unhappily on Instagram or X'."""
    kinds, places = labels.get("kind", ()), labels.get("network", ())
    own = verbs.get(kinds[0]) if len(kinds) == 1 else None
    by = [f"by {listed(kinds, 'or')}"] if kinds and own is None else []
    on = [f"on {listed(places, 'or')}"] if places else []
    return " ".join([own or verbs[""], *by, *on])


def _contacted(labels: Mapping[str, tuple[str, ...]]) -> str:
    why = labels.get("origin", ())
    return f"contacted {listed(why, 'or')}" if why else "contacted"


SPOKEN = ("interaction", "interactions")
SAID, DONE, OURS = "What they said", "What they did", "What we did"
# Kind of interaction, its word, and what somebody did who is said to have done nothing else.
SPOKEN_BY = (
    ("message", "message", "wrote"),
    ("comment", "comment", "commented"),
    ("mention", "mention", "mentioned us"),
    ("review", "review", "reviewed us"),
    ("call", "call", "called"),
    ("survey", "survey answer", "answered a survey"),
)
SPOKE = {"": "spoke", **{word: verb for _kind, word, verb in SPOKEN_BY}}
KINDS: Choices = [(kind, word) for kind, word, _verb in SPOKEN_BY]
DIRECTIONS: Choices = [("inbound", "from them"), ("outbound", "from us")]
ORIGINS: Choices = [("reply", "in reply"), ("started", "first"), ("service", "about a service")]


def _own_fields() -> Sequence[Field]:
    """The workspace's own fields; archived ones work on in the rules that name them."""
    from crm.custom_fields import fields

    return [_own(field) for field in fields(archived=True) if SAFE_KEY.fullmatch(field.key)]


def _own(field: CustomField) -> Field:
    kind, sql = OWN_SQL[field.type]
    return Field(
        f"custom.{field.key}",
        field.label,
        kind,
        sql.replace("{key}", field.key),
        OWN,
        choices=[(choice, choice) for choice in field.choices] if kind is FieldType.CHOICE else None,
        hidden=field.is_archived,
    )


def _staff() -> Choices:
    from accounts.models import User

    people = User.objects.order_by("name")
    return [(person.pk, person.display_name) for person in people]


def _stages() -> Choices:
    from crm.models import Stage

    return [(stage.value, str(stage.label)) for stage in Stage]


def _networks() -> Choices:
    """Registered networks, and those of accounts whose connector is gone."""
    from engagement.models import ChannelAccount

    found = {network.name: network.label for network in networks.known()}
    for name in ChannelAccount.objects.values_list("network", flat=True).distinct():
        found.setdefault(name, networks.get(name).label)
    return sorted(found.items(), key=lambda pair: pair[1])


def _purposes() -> Choices:
    from crm.models import Consent
    from crm.purposes import PURPOSES

    given = Consent.objects.order_by("purpose").values_list("purpose", flat=True).distinct()
    return [(purpose, purpose) for purpose in dict.fromkeys([*PURPOSES, *given])]


def _told(fact: str) -> Sequence[str]:
    """What people told of themselves, by the last rebuild; the commonest first."""
    from personas.models import PeopleCount

    told = PeopleCount.objects.filter(fact=fact, network="").exclude(value="").values("value")
    return [one["value"] for one in told.annotate(people=Sum("customers")).order_by("-people", "value")]


def _tag_names() -> Choices:
    from crm.models import Tag

    return list(Tag.objects.order_by("name").values_list("id", "name"))


def _segments() -> Choices:
    from personas.models import Segment

    return list(Segment.objects.order_by("name").values_list("id", "name"))


def _personas() -> Choices:
    from personas.models import Persona

    return list(Persona.objects.order_by("rank", "id").values_list("id", "name"))
