"""Rules: what may be typed, what a mistake is told, and how a rule reads in plain English."""

import json
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from core.conditions import (
    Dimension,
    EventSource,
    Field,
    FieldSet,
    FieldType,
    Group,
    Reference,
    RuleInvalid,
    describe,
    parse,
    parts,
    references,
    sentence,
    to_json,
)

NETWORKS = [("email", "E-mail"), ("instagram", "Instagram")]


def wrote(chosen: Any) -> str:
    return "wrote" + (f" on {' or '.join(chosen['network'])}" if "network" in chosen else "")


@pytest.fixture
def customers() -> FieldSet:
    fields = FieldSet("customer", "Customers", base="crm_customer c", key="c.id")
    fields.join("traits", "LEFT JOIN personas_traits t ON t.customer_id = c.id")
    exists = "EXISTS (SELECT 1 FROM x WHERE x.id = ANY(%(values)s))"
    fields.register(
        Field(
            "traits.orders_total",
            "Orders",
            FieldType.NUMBER,
            "t.orders",
            joins=("traits",),
            group="Purchases",
            phrase="with {} orders",
        ),
        Field("traits.spent", "Spent", FieldType.MONEY, "t.spent", joins=("traits",), unit=lambda: "EUR"),
        Field(
            "traits.last_order_at",
            "Last order",
            FieldType.DATETIME,
            "t.last",
            joins=("traits",),
            group="Purchases",
            phrase="who last ordered {}",
        ),
        Field("share", "Share in public", FieldType.NUMBER, "c.share", unit="%"),
        Field("name", "Name", FieldType.TEXT, "c.name", nullable=False),
        Field(
            "country", "Country", FieldType.CHOICE, "c.country", choices=[("de", "Germany"), ("fr", "France")]
        ),
        Field("vip", "VIP", FieldType.FLAG, "c.vip"),
        Field("open", "Open", FieldType.FLAG, "c.open", phrase="with an open conversation"),
        Field("birthday", "Birthday", FieldType.DATE, "c.birthday", operators=("in_next_days", "known")),
        Field("tag", "Tag", FieldType.TAG, exists, choices=lambda: [(1, "loyal"), (2, "new")], refers="tag"),
        Field(
            "segment",
            "Segment",
            FieldType.MEMBERSHIP,
            exists,
            choices=lambda: [(7, "Lapsed fans"), (8, "Refills due")],
            refers="segment",
        ),
        Field(
            "consent",
            "Consent",
            FieldType.CONSENT,
            "state(%(purpose)s, %(channel)s)",
            dimensions=(
                Dimension(
                    "purpose", "Purpose", choices=[("ads", "advertising")], phrase="to {}", required=True
                ),
                Dimension("channel", "Channel", choices=NETWORKS, phrase="by {}"),
            ),
        ),
        EventSource(
            "interaction",
            "Interaction",
            "personas_customerday e",
            "e.customer_id = c.id",
            "e.day",
            count="e.n",
            noun=("message", "messages"),
            dimensions=(
                Dimension("network", "Network", "e.network", NETWORKS, phrase="on {}"),
                Dimension("direction", "Direction", "e.direction", [("in", "Inbound"), ("out", "Outbound")]),
            ),
        ),
        EventSource(
            "writing",
            "Writing",
            "personas_customerday e",
            "e.customer_id = c.id",
            "e.day",
            dimensions=(Dimension("network", "Network", "e.network", NETWORKS),),
            verb=wrote,
        ),
    )
    return fields


ORDERS = {"field": "traits.orders_total", "op": "gte", "value": 3}


def mistakes(rule: Any, fields: FieldSet) -> dict[str, str]:
    with pytest.raises(RuleInvalid) as caught:
        parse(rule, fields)
    assert caught.value.errors
    return {error.path: error.message for error in caught.value.errors}


@pytest.mark.parametrize(
    ("rule", "path", "message"),
    [
        (None, "$", "object"),
        ([], "$", "object"),
        ("all", "$", "object"),
        ({}, "$", "object"),
        ({"all": [], "any": []}, "$", "all and any"),
        ({"any": []}, "$.any", "at least one condition"),
        ({"all": {}}, "$.all", "at least one condition"),
        ({"not": []}, "$.not", "object"),
        ({"all": [ORDERS], "note": 1}, "$.note", "Remove it"),
        ({**ORDERS, "days": 3}, "$.days", "Remove it"),
        ({"version": 2, "all": [ORDERS]}, "$.version", "version 1"),
        (
            {"field": "traits.orders_totl", "op": "gte", "value": 3},
            "$.field",
            "Did you mean traits.orders_total?",
        ),
        ({"field": 7, "op": "gte", "value": 3}, "$.field", "Name a field"),
        ({"field": "traits.orders_total", "op": "like", "value": 3}, "$.op", "gte, lte"),
        ({"field": "traits.orders_total", "op": ["gte"], "value": 3}, "$.op", "gte, lte"),
        ({"field": "birthday", "op": "before", "value": "2026-01-01"}, "$.op", "in_next_days, known"),
        ({"field": "name", "op": "unknown"}, "$.op", "starts_with"),
        (
            {"any": [{"not": {"all": [ORDERS, {**ORDERS, "value": "3"}]}}]},
            "$.any[0].not.all[1].value",
            "a number",
        ),
        ({**ORDERS, "value": True}, "$.value", "a number"),
        ({**ORDERS, "value": None}, "$.value", "a number"),
        ({**ORDERS, "value": float("nan")}, "$.value", "a number"),
        ({**ORDERS, "value": float("inf")}, "$.value", "a number"),
        ({**ORDERS, "value": 10**400}, "$.value", "a number between"),
        ({**ORDERS, "op": "between", "value": [3]}, "$.value", "two numbers"),
        ({**ORDERS, "op": "between", "value": [5, 3]}, "$.value", "smaller number first"),
        ({**ORDERS, "op": "known", "value": 1}, "$.value", "Leave the value out"),
        ({"field": "name", "op": "is", "value": ""}, "$.value", "Type some text"),
        ({"field": "name", "op": "is", "value": "x" * 201}, "$.value", "at most 200"),
        ({"field": "name", "op": "is", "value": "a\x00b"}, "$.value", "not text"),
        ({"field": "name", "op": "is", "value": "a\ud800b"}, "$.value", "not text"),
        ({"field": "name", "op": "one_of", "value": []}, "$.value", "at least one"),
        ({"field": "name", "op": "one_of", "value": ["x"] * 101}, "$.value", "at most 100"),
        ({"field": "country", "op": "is", "value": "uk"}, "$.value", "one of: Germany, France"),
        ({"field": "country", "op": "is", "value": {"a": 1}}, "$.value", "Choose one value"),
        ({"field": "tag", "op": "has", "value": 3}, "$.value", "one of: loyal, new"),
        ({"field": "segment", "op": "in", "value": [7, 9]}, "$.value", "Lapsed fans"),
        ({"field": "traits.last_order_at", "op": "before", "value": "1.3.2026"}, "$.value", "YYYY-MM-DD"),
        ({"field": "traits.last_order_at", "op": "before", "value": "2026-02-30"}, "$.value", "YYYY-MM-DD"),
        ({"field": "traits.last_order_at", "op": "before", "value": "0001-01-01"}, "$.value", "from 1900"),
        ({"field": "traits.last_order_at", "op": "in_last_days", "value": 0}, "$.value", "from 1 to 36,500"),
        ({"field": "traits.last_order_at", "op": "in_last_days", "value": 1.5}, "$.value", "whole number"),
        ({"field": "consent", "op": "given", "value": {"channel": "email"}}, "$.value", "Choose a purpose"),
        ({"field": "consent", "op": "given", "value": {"purpose": "x"}}, "$.value", "advertising"),
        ({"field": "consent", "op": "given", "value": "ads"}, "$.value", "purpose and channel"),
        (
            {"event": {"what": "order"}, "op": "at_least", "count": 1},
            "$.event.what",
            "no event called 'order'",
        ),
        ({"event": "interaction", "op": "at_least", "count": 1}, "$.event.what", "Name an event"),
        ({"event": {"what": "interaction"}, "op": "gte", "count": 1}, "$.op", "at_least"),
        ({"event": {"what": "interaction"}, "op": "at_least", "count": 0}, "$.count", "from 1"),
        ({"event": {"what": "interaction"}, "op": "at_most"}, "$.count", "whole number"),
        ({"event": {"what": "interaction"}, "op": "at_most", "count": 1, "days": 0}, "$.days", "from 1"),
        (
            {"event": {"what": "interaction", "network": "fax"}, "op": "at_least", "count": 1},
            "$.event.network",
            "E-mail, Instagram",
        ),
        (
            {"event": {"what": "interaction", "mood": "bad"}, "op": "at_least", "count": 1},
            "$.event.mood",
            "Remove it",
        ),
    ],
)
def test_a_mistake_says_where_and_what_to_type(
    customers: FieldSet, rule: Any, path: str, message: str
) -> None:
    told = mistakes(rule, customers)
    assert list(told) == [path]
    assert message in told[path]


def test_all_mistakes_are_told_at_once(customers: FieldSet) -> None:
    rule = {"all": [{**ORDERS, "value": "x"}, ORDERS, {"field": "nope", "op": "is"}, {"any": []}]}
    assert list(mistakes(rule, customers)) == ["$.all[0].value", "$.all[2].field", "$.all[3].any"]


def nested(deep: int) -> Any:
    rule: Any = ORDERS
    for _ in range(deep):
        rule = {"all": [rule]}
    return rule


def test_groups_stand_in_each_other_six_deep_and_not_deeper(customers: FieldSet) -> None:
    parse(nested(6), customers)
    assert "6 deep" in next(iter(mistakes(nested(7), customers).values()))
    assert "6 deep" in next(iter(mistakes(nested(900), customers).values()))


def test_a_rule_has_at_most_a_hundred_conditions(customers: FieldSet) -> None:
    parse({"all": [ORDERS] * 100}, customers)
    told = mistakes({"all": [{**ORDERS, "value": "x"}] * 100_000}, customers)
    assert told == {"$.all[100]": "A rule has at most 100 conditions."}


def test_a_rule_is_kept_in_one_spelling_with_its_version(customers: FieldSet) -> None:
    rule = {
        "version": 1,
        "all": [
            {**ORDERS, "value": 3.0},
            {"field": "traits.spent", "op": "between", "value": [1, 2.5]},
            {"field": "segment", "op": "in", "value": "7"},
            {"field": "traits.last_order_at", "op": "before", "value": "2026-03-01"},
            {"field": "consent", "op": "given", "value": {"purpose": "ads"}},
            {"not": {"event": {"what": "interaction", "network": ["email"]}, "op": "at_least", "count": 1}},
        ],
    }
    stored = to_json(parse(rule, customers))
    assert json.loads(json.dumps(stored)) == {
        "version": 1,
        "all": [
            ORDERS,
            {"field": "traits.spent", "op": "between", "value": [1, 2.5]},
            {"field": "segment", "op": "in", "value": [7]},
            {"field": "traits.last_order_at", "op": "before", "value": "2026-03-01"},
            {"field": "consent", "op": "given", "value": {"purpose": "ads", "channel": None}},
            {"not": {"event": {"what": "interaction", "network": "email"}, "op": "at_least", "count": 1}},
        ],
    }
    assert to_json(parse(stored, customers)) == stored


def test_references_name_what_a_rule_depends_on(customers: FieldSet) -> None:
    rule = {
        "any": [
            {"not": {"field": "segment", "op": "in", "value": [7, 8]}},
            {"field": "tag", "op": "has", "value": 1},
            ORDERS,
        ]
    }
    assert references(parse(rule, customers)) == {
        Reference("segment", 7),
        Reference("segment", 8),
        Reference("tag", 1),
    }


INSTAGRAM = {"event": {"what": "writing", "network": "instagram"}, "op": "at_least", "count": 2, "days": 90}
LATE = {"field": "traits.last_order_at", "op": "more_than_days_ago", "value": 120}
OPEN = {"field": "open", "op": "yes"}
GERMAN = {"field": "country", "op": "is", "value": "de"}
REFUSED = {"field": "consent", "op": "refused", "value": {"purpose": "ads", "channel": "email"}}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"all": []}, "All customers."),
        (ORDERS, "Customers with at least 3 orders."),
        ({**ORDERS, "value": 1}, "Customers with at least 1 order."),
        (
            {"all": [ORDERS, INSTAGRAM, {"not": REFUSED}]},
            "Customers with at least 3 orders and who wrote on Instagram at least twice in the last 90 days; "
            "leaving out those who refused consent to advertising by E-mail.",
        ),
        (
            {"all": [ORDERS, LATE, {"any": [INSTAGRAM, GERMAN]}, {"not": {"any": [OPEN, REFUSED]}}]},
            "Customers with at least 3 orders and who last ordered more than 120 days ago, and either who "
            "wrote on Instagram at least twice in the last 90 days or whose country is Germany; leaving out "
            "those with an open conversation or those who refused consent to advertising by E-mail.",
        ),
        ({"not": OPEN}, "All customers; leaving out those with an open conversation."),
        (
            {"any": [ORDERS, {"all": [GERMAN, {"not": {"any": [OPEN, LATE]}}]}]},
            "Customers with at least 3 orders or (both whose country is Germany and not (either with an open "
            "conversation or who last ordered more than 120 days ago)).",
        ),
        (
            {"field": "traits.spent", "op": "between", "value": [1, 2500.5]},
            "Customers whose spent is between 1 EUR and 2,500.5 EUR.",
        ),
        ({"field": "name", "op": "contains", "value": "50%"}, "Customers whose name contains “50%”."),
        (
            {"field": "country", "op": "none_of", "value": ["de", "fr"]},
            "Customers whose country is not Germany or France.",
        ),
        ({"field": "country", "op": "unknown"}, "Customers whose country is unknown."),
        ({"field": "share", "op": "lt", "value": 50}, "Customers whose share in public is less than 50%."),
        ({"field": "vip", "op": "no"}, "Customers whose “VIP” is no."),
        (
            {"field": "birthday", "op": "in_next_days", "value": 1},
            "Customers whose birthday is in the next 1 day.",
        ),
        (
            {"field": "traits.last_order_at", "op": "between", "value": ["2026-03-01", "2026-03-31"]},
            "Customers who last ordered between 1 March 2026 and 31 March 2026.",
        ),
        ({"field": "tag", "op": "has_all", "value": [1, 2]}, "Customers with the tag loyal and new."),
        ({"field": "tag", "op": "has_none", "value": [1, 2]}, "Customers without the tag loyal or new."),
        ({"field": "segment", "op": "not_in", "value": 7}, "Customers not in the segment Lapsed fans."),
        (
            {"field": "consent", "op": "never_asked", "value": {"purpose": "ads"}},
            "Customers who were never asked for consent to advertising.",
        ),
        (
            {
                "event": {"what": "interaction", "network": ["email", "instagram"], "direction": "in"},
                "op": "exactly",
                "count": 1,
                "days": 7,
            },
            "Customers with exactly 1 inbound message on E-mail or Instagram in the last 7 days.",
        ),
        ({"event": {"what": "interaction"}, "op": "at_most", "count": 0}, "Customers with no messages."),
        (
            {"event": {"what": "writing"}, "op": "exactly", "count": 0, "days": 1},
            "Customers who never wrote in the last 1 day.",
        ),
    ],
)
def test_a_rule_reads_as_a_sentence(customers: FieldSet, rule: Any, text: str) -> None:
    assert sentence(parse(rule, customers), customers) == text


def test_the_builder_is_told_groups_operators_inputs_and_choices(customers: FieldSet) -> None:
    told = json.loads(json.dumps(describe(customers)))
    assert told["version"] == 1 and told["limits"]["depth"] == 6
    assert [group["label"] for group in told["groups"]] == ["Purchases", "Customers", "Events"]
    fields = {f["name"]: f for group in told["groups"] for f in group["fields"]}
    assert set(fields) == set(customers.fields)
    assert fields["traits.spent"]["unit"] == "EUR"
    assert fields["country"]["choices"][0] == {"value": "de", "label": "Germany"}
    assert [op["name"] for op in fields["birthday"]["operators"]] == ["in_next_days", "known"]
    assert fields["traits.orders_total"]["operators"][0] == {
        "name": "gte",
        "label": "at least",
        "input": "number",
    }
    assert fields["consent"]["dimensions"][0]["required"] is True
    events = {e["name"]: e for group in told["groups"] for e in group["events"]}
    assert [d["name"] for d in events["interaction"]["dimensions"]] == ["network", "direction"]


def test_choices_from_the_database_are_read_once_a_rule(customers: FieldSet) -> None:
    asked: list[int] = []

    def choices() -> list[tuple[int, str]]:
        asked.append(1)
        return [(1, "one")]

    exists = "EXISTS (SELECT 1 WHERE 1 = ANY(%(values)s))"
    customers.register(Field("list", "List", FieldType.TAG, exists, choices=choices))
    node = parse({"all": [{"field": "list", "op": "has", "value": 1}] * 20}, customers)
    assert len(asked) == 1
    sentence(node, customers)
    assert len(asked) == 2


def test_a_root_group_of_all_may_be_empty_and_means_everybody(customers: FieldSet) -> None:
    assert parse({"all": []}, customers) == Group("all", ())


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (Field("Name", "x", FieldType.TEXT, "c.x"), "a name is like"),
        (Field("name", "x", FieldType.TEXT, "c.x"), "registered twice"),
        (Field("new", "x", FieldType.TEXT, "c.x", operators=("gte",)), "no operator gte"),
        (Field("new", "x", FieldType.TEXT, "c.x", joins=("orders",)), "no join called orders"),
        (Field("new", "x", FieldType.TAG, "EXISTS (SELECT 1)"), "values"),
        (Field("new", "x", FieldType.CONSENT, "c.state"), "none of its dimensions"),
    ],
)
def test_a_field_that_cannot_work_is_refused_when_it_is_registered(
    customers: FieldSet, item: Field, message: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        customers.register(item)


def test_the_sentence_in_pieces_says_the_same_and_tells_values_and_exclusions_apart(
    customers: FieldSet,
) -> None:
    rule = parse({"all": [ORDERS, INSTAGRAM, {"not": {"any": [OPEN, REFUSED]}}]}, customers)
    told = parts(rule, customers)
    assert "".join(part.text for part in told) == sentence(rule, customers)
    assert [part.text for part in told if part.tone == "value"] == [
        "at least 3",
        "wrote on Instagram at least twice in the last 90 days",
    ]
    assert [part.text for part in told if part.tone == "out"] == [
        "leaving out",
        "with an open conversation",
        "refused consent to advertising by E-mail",
    ]


def test_what_people_type_carries_no_mark_into_the_sentence(customers: FieldSet) -> None:
    typed = "\ue000a\ue001; leaving out \ue002"
    rule = parse({"field": "name", "op": "contains", "value": typed}, customers)
    assert [part.tone for part in parts(rule, customers)] == ["", "value", ""]
    assert sentence(rule, customers) == "Customers whose name contains “a; leaving out ”."
