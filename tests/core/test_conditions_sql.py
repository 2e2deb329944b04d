"""The rule compiler against plain Python, over awkward data in a real PostgreSQL.

The oracle below imports nothing of `core`: it reads the JSON of a rule and a row as a dict.
"""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.conditions import (
    Context,
    Dimension,
    EventSource,
    Field,
    FieldSet,
    FieldType,
    compile,
    counting,
    leaves,
    matching,
    parse,
    to_json,
    why,
)

ZONES = ["UTC", "Europe/Berlin", "America/Santiago", "Africa/Cairo", "Asia/Kathmandu", "Pacific/Auckland"]
DAYS = [date(2026, 3, 29), date(2026, 4, 5), date(2026, 4, 24), date(2026, 9, 6), date(2026, 10, 30)]
TEXTS = [
    "",
    "%",
    "_",
    "a_b",
    "a%b",
    "O'Hara",
    'say "hi"',
    "back\\slash",
    "Straße",
    "STRASSE",
    "émile",
    "ÉMILE",
]
TEXTS += ["  padded ", "line\nbreak", "%s %(x)s", "日本", "ΣΊΣΥΦΟΣ", "σίσυφος"]
PICKS = ["de", "fr", "us"]
TAGS, SEGMENTS = [1, 2, 3], [10, 20]
NETWORKS, KINDS = ["email", "instagram", "phone"], ["message", "comment"]

TABLES = """
CREATE TEMPORARY TABLE cond_row (id bigint PRIMARY KEY, amount numeric(12, 2), score float8, name text,
    pick text, vip boolean, born date, seen timestamptz);
CREATE TEMPORARY TABLE cond_extra (row_id bigint PRIMARY KEY, orders int);
CREATE TEMPORARY TABLE cond_tag (row_id bigint, tag_id bigint);
CREATE TEMPORARY TABLE cond_member (row_id bigint, segment_id bigint);
CREATE TEMPORARY TABLE cond_consent (row_id bigint, purpose text, channel text, state text);
CREATE TEMPORARY TABLE cond_day (row_id bigint, day date, network text, kind text, n int);
CREATE TEMPORARY TABLE cond_visit (row_id bigint, at timestamptz);
"""


def the_fieldset() -> FieldSet:
    rows = FieldSet("row", "Rows", base="cond_row c", key="c.id", noun="Customers")
    rows.join("extra", "LEFT JOIN cond_extra x ON x.row_id = c.id")
    rows.register(
        Field("amount", "Amount", FieldType.MONEY, "c.amount"),
        Field("score", "Score", FieldType.NUMBER, "c.score"),
        Field("orders", "Orders", FieldType.NUMBER, "x.orders", joins=("extra",)),
        Field("name", "Name", FieldType.TEXT, "c.name"),
        Field("pick", "Country", FieldType.CHOICE, "c.pick", choices=[(p, p.upper()) for p in PICKS]),
        Field("vip", "VIP", FieldType.FLAG, "c.vip"),
        Field("born", "Birthday", FieldType.DATE, "c.born"),
        Field("seen", "Last seen", FieldType.DATETIME, "c.seen"),
        Field(
            "tag",
            "Tag",
            FieldType.TAG,
            "EXISTS (SELECT 1 FROM cond_tag g WHERE g.row_id = c.id AND g.tag_id = ANY(%(values)s))",
            choices=[(t, f"Tag {t}") for t in TAGS],
        ),
        Field(
            "segment",
            "Segment",
            FieldType.MEMBERSHIP,
            "EXISTS (SELECT 1 FROM cond_member m WHERE m.row_id = c.id AND m.segment_id = ANY(%(values)s))",
            choices=lambda: [(s, f"Segment {s}") for s in SEGMENTS],
        ),
        Field(
            "consent",
            "Consent",
            FieldType.CONSENT,
            "(SELECT k.state FROM cond_consent k WHERE k.row_id = c.id AND k.purpose = %(purpose)s"
            " AND (%(channel)s::text IS NULL OR k.channel = %(channel)s) ORDER BY k.state DESC LIMIT 1)",
            dimensions=(
                Dimension("purpose", "Purpose", choices=[("marketing", "Marketing")], required=True),
                Dimension("channel", "Channel", choices=[("email", "E-mail"), ("phone", "Phone")]),
            ),
            rows="FROM (SELECT k.row_id, max(k.state) AS value FROM cond_consent k"
            " WHERE k.purpose = %(purpose)s AND (%(channel)s::text IS NULL OR k.channel = %(channel)s)"
            " GROUP BY k.row_id) newest WHERE newest.row_id = c.id",
        ),
        EventSource(
            "interaction",
            "Interaction",
            table="cond_day e",
            match="e.row_id = c.id",
            day="e.day",
            count="e.n",
            dimensions=(
                Dimension("network", "Network", "e.network", [(n, n) for n in NETWORKS]),
                Dimension("kind", "Kind", "e.kind", [(k, k) for k in KINDS]),
            ),
        ),
        EventSource("visit", "Visit", "cond_visit v", "v.row_id = c.id", "v.at", day_type=FieldType.DATETIME),
    )
    return rows


ROWS = the_fieldset()


def edges() -> list[datetime]:
    """Instants a microsecond around local midnight of days on which clocks change."""
    found = []
    for zone in ZONES:
        for day in DAYS:
            start = datetime.combine(day, time.min, tzinfo=ZoneInfo(zone)).astimezone(UTC)
            found += [start, start - timedelta(microseconds=1), start + timedelta(hours=1)]
    return found


def made_rows() -> list[dict[str, Any]]:
    chance = random.Random(7)
    instants = edges()
    nearby = [day + timedelta(days=n) for day in DAYS for n in (-9, -8, -7, -2, -1, 0, 1, 2, 7, 8)]

    def maybe(value: Any) -> Any:
        return None if chance.random() < 0.2 else value

    return [
        {
            "id": pk,
            "amount": maybe(
                chance.choice([Decimal("0"), Decimal("3.00"), Decimal("12.50"), Decimal("-1.01")])
            ),
            "score": maybe(chance.choice([0.0, 0.1, 2.5, -3.0])),
            "orders": maybe(chance.randrange(5)),
            "name": maybe(chance.choice(TEXTS)),
            "pick": maybe(chance.choice([*PICKS, ""])),
            "vip": maybe(chance.random() < 0.5),
            "born": maybe(chance.choice(nearby)),
            "seen": maybe(chance.choice(instants)),
            "tag": {t for t in TAGS if chance.random() < 0.3},
            "segment": {s for s in SEGMENTS if chance.random() < 0.3},
            "consent": [
                ("marketing", channel, chance.choice(["given", "refused"]))
                for channel in ("email", "phone")
                if chance.random() < 0.4
            ],
            "interaction": [
                (chance.choice(nearby), chance.choice(NETWORKS), chance.choice(KINDS), chance.randrange(1, 4))
                for _ in range(chance.randrange(6))
            ],
            "visit": [chance.choice(instants) for _ in range(chance.randrange(4))],
        }
        for pk in range(1, 161)
    ]


DATA = made_rows()


def insert(cursor: Any, table: str, rows: list[tuple[Any, ...]]) -> None:
    marks = ", ".join(["%s"] * len(rows[0]))
    cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


@pytest.fixture
def data(db: None) -> Iterator[None]:
    columns = ("id", "amount", "score", "name", "pick", "vip", "born", "seen")
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        insert(cursor, "cond_row", [tuple(row[c] for c in columns) for row in DATA])
        # A row whose orders are unknown has no row in the joined table at all.
        insert(cursor, "cond_extra", [(r["id"], r["orders"]) for r in DATA if r["orders"] is not None])
        for name in ("tag", "segment"):
            table = {"tag": "cond_tag", "segment": "cond_member"}[name]
            insert(cursor, table, [(r["id"], value) for r in DATA for value in r[name]])
        insert(cursor, "cond_consent", [(r["id"], *consent) for r in DATA for consent in r["consent"]])
        insert(cursor, "cond_day", [(r["id"], *event) for r in DATA for event in r["interaction"]])
        insert(cursor, "cond_visit", [(r["id"], at) for r in DATA for at in r["visit"]])
    yield


# The oracle


def holds(rule: dict[str, Any], row: dict[str, Any], today: date, zone: ZoneInfo) -> bool:
    if "all" in rule:
        return all(holds(child, row, today, zone) for child in rule["all"])
    if "any" in rule:
        return any(holds(child, row, today, zone) for child in rule["any"])
    if "not" in rule:
        return not holds(rule["not"], row, today, zone)
    if "event" in rule:
        return event_holds(rule, row, today, zone)
    name, op, value = rule["field"], rule["op"], rule.get("value")
    if name in ("tag", "segment"):
        return set_holds(row[name], op, value if isinstance(value, list) else [value])
    if name == "consent":
        return consent_holds(row["consent"], op, value)
    mine = row[name]
    if name == "seen" and mine is not None:
        mine = mine.astimezone(zone).date()
    if mine == "" and name in ("name", "pick"):
        mine = None
    return leaf_holds(name, op, value, mine, today)


def leaf_holds(name: str, op: str, value: Any, mine: Any, today: date) -> bool:
    opposites = {"is_not": "is", "neq": "eq", "not_contains": "contains", "none_of": "one_of"}
    opposites |= {"not_in_last_days": "in_last_days", "unknown": "known"}
    if op in opposites:
        return not leaf_holds(name, opposites[op], value, mine, today)
    if mine is None:
        return False
    if op == "known":
        return True
    if op in ("yes", "no"):
        return mine is (op == "yes")
    if name in ("born", "seen"):
        return day_holds(op, value, mine, today)
    if name == "name":
        return text_holds(op, value, mine)
    if op in ("is", "one_of"):
        return mine == value if op == "is" else mine in value
    return number_holds(op, value, float(mine))


def number_holds(op: str, value: Any, mine: float) -> bool:
    if op == "between":
        return value[0] <= mine <= value[1]
    return {
        "eq": mine == value,
        "gt": mine > value,
        "gte": mine >= value,
        "lt": mine < value,
        "lte": mine <= value,
    }[op]


def text_holds(op: str, value: Any, mine: str) -> bool:
    mine = mine.casefold()
    if op == "one_of":
        return mine in [item.casefold() for item in value]
    typed = value.casefold()
    return {"is": mine == typed, "contains": typed in mine, "starts_with": mine.startswith(typed)}[op]


def day_holds(op: str, value: Any, mine: date, today: date) -> bool:
    if op == "between":
        return date.fromisoformat(value[0]) <= mine <= date.fromisoformat(value[1])
    if op in ("before", "after"):
        typed = date.fromisoformat(value)
        return mine < typed if op == "before" else mine > typed
    ago = (today - mine).days
    return {
        "in_last_days": 0 <= ago <= value,
        "more_than_days_ago": ago > value,
        "in_next_days": 0 <= -ago <= value,
    }[op]


def set_holds(mine: set[int], op: str, asked: list[int]) -> bool:
    some = any(item in mine for item in asked)
    if op == "has_all":
        return all(item in mine for item in asked)
    return not some if op in ("has_none", "not_in") else some


def consent_holds(mine: list[tuple[str, str, str]], op: str, value: dict[str, str]) -> bool:
    states = sorted(s for _, channel, s in mine if value.get("channel") in (None, channel))
    state = states[-1] if states else None
    return state == {"given": "given", "refused": "refused", "never_asked": None}[op]


def event_holds(rule: dict[str, Any], row: dict[str, Any], today: date, zone: ZoneInfo) -> bool:
    event, days = rule["event"], rule.get("days")

    def fits(day: date) -> bool:
        return days is None or 0 <= (today - day).days <= days

    if event["what"] == "visit":
        total = sum(fits(at.astimezone(zone).date()) for at in row["visit"])
    else:
        total = sum(
            n
            for day, network, kind, n in row["interaction"]
            if fits(day)
            and network in as_list(event.get("network", network))
            and kind in as_list(event.get("kind", kind))
        )
    return {
        "at_least": total >= rule["count"],
        "at_most": total <= rule["count"],
        "exactly": total == rule["count"],
    }[rule["op"]]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# Random rules

NUMBERS = st.sampled_from([-3, -1.01, 0, 0.1, 1, 2, 2.5, 3, 12.5, 10**15])
WORDS = st.one_of(
    st.sampled_from([t for t in TEXTS if t.strip()]),
    st.text(alphabet="aAbB%_'\"\\ ß日éÉ$()s\n", min_size=1, max_size=5).filter(lambda t: bool(t.strip())),
)
DATES = st.builds(lambda d, n: (d + timedelta(days=n)).isoformat(), st.sampled_from(DAYS), st.integers(-9, 9))
LENGTHS = st.sampled_from([1, 2, 7, 8, 30, 200, 36500])


def pair(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=2, max_size=2).map(sorted)


def field_rule(names: list[str], ops: list[str], value: st.SearchStrategy[Any] | None) -> Any:
    base = {"field": st.sampled_from(names), "op": st.sampled_from(ops)}
    return st.fixed_dictionaries(base if value is None else {**base, "value": value})


def some(values: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3)


NUMERIC, DATED = ["amount", "score", "orders"], ["born", "seen"]
CONSENTS = st.sampled_from(
    [{"purpose": "marketing"}, *({"purpose": "marketing", "channel": c} for c in ("email", "phone"))]
)
EVENTS = st.fixed_dictionaries(
    {"what": st.just("interaction")},
    optional={
        "network": st.one_of(st.sampled_from(NETWORKS), some(NETWORKS)),
        "kind": st.sampled_from(KINDS),
    },
)
LEAVES = st.one_of(
    field_rule(NUMERIC, ["eq", "neq", "gt", "gte", "lt", "lte"], NUMBERS),
    field_rule(NUMERIC, ["between"], pair(NUMBERS)),
    field_rule([*NUMERIC, *DATED, "name", "pick"], ["known", "unknown"], None),
    field_rule(["name"], ["is", "is_not", "contains", "not_contains", "starts_with"], WORDS),
    field_rule(["name"], ["one_of"], st.lists(WORDS, min_size=1, max_size=3)),
    field_rule(["pick"], ["is", "is_not"], st.sampled_from(PICKS)),
    field_rule(["pick"], ["one_of", "none_of"], some(PICKS)),
    field_rule(["vip"], ["yes", "no"], None),
    field_rule(DATED, ["before", "after"], DATES),
    field_rule(DATED, ["between"], pair(DATES)),
    field_rule(DATED, ["in_last_days", "not_in_last_days", "more_than_days_ago", "in_next_days"], LENGTHS),
    field_rule(["tag"], ["has"], st.sampled_from(TAGS)),
    field_rule(["tag"], ["has_any", "has_all", "has_none"], some(TAGS)),
    field_rule(["segment"], ["in", "not_in"], st.one_of(st.sampled_from(SEGMENTS), some(SEGMENTS))),
    field_rule(["consent"], ["given", "refused", "never_asked"], CONSENTS),
    st.fixed_dictionaries(
        {
            "event": st.one_of(EVENTS, st.just({"what": "visit"})),
            "op": st.sampled_from(["at_least", "at_most", "exactly"]),
            "count": st.integers(1, 4),
        },
        optional={"days": LENGTHS},
    ),
    st.fixed_dictionaries(
        {"event": EVENTS, "op": st.sampled_from(["at_most", "exactly"]), "count": st.just(0)},
        optional={"days": LENGTHS},
    ),
)
RULES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda c: {"not": c}, inner),
        st.builds(lambda c: {"all": c}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda c: {"any": c}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=6,
)


def depth(rule: dict[str, Any]) -> int:
    inner = rule.get("all") or rule.get("any") or ([rule["not"]] if "not" in rule else [])
    return 1 + max(map(depth, inner), default=0) if inner else 0


def found(sql: str, params: list[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


many = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@many
@given(rule=RULES.filter(lambda r: depth(r) <= 6), zone=st.sampled_from(ZONES), today=st.sampled_from(DAYS))
def test_the_compiler_agrees_with_plain_python(data: None, rule: Any, zone: str, today: date) -> None:
    context = Context(today=today, zone=ZoneInfo(zone))
    node = parse(rule, ROWS)
    expected = {row["id"] for row in DATA if holds(rule, row, today, context.zone)}
    assert {pk for (pk,) in found(*matching(node, ROWS, context))} == expected
    one_by_one = matching(node, ROWS, context, keys=[row["id"] for row in DATA])
    assert {pk for (pk,) in found(*one_by_one)} == expected

    opposite = parse({"not": rule}, ROWS) if depth(rule) < 6 else None
    if opposite:
        rest = {pk for (pk,) in found(*matching(opposite, ROWS, context))}
        assert rest == {row["id"] for row in DATA} - expected


@settings(parent=many, max_examples=100)
@given(rule=RULES.filter(lambda r: depth(r) <= 6), pk=st.sampled_from([row["id"] for row in DATA]))
def test_why_agrees_with_the_rule_and_with_each_condition(data: None, rule: Any, pk: int) -> None:
    context = Context(today=DAYS[0], zone=ZoneInfo("Europe/Berlin"))
    row = DATA[pk - 1]
    told = why(parse(rule, ROWS), ROWS, context, pk)
    assert told

    def check(part: dict[str, Any], node: Any) -> None:
        assert node.holds == holds(part, row, context.today, context.zone)
        inner = part.get("all") or part.get("any") or ([part["not"]] if "not" in part else [])
        for child, shown in zip(inner, node.children, strict=True):
            check(child, shown)

    check(rule, told)


@settings(parent=many, max_examples=50)
@given(rules=st.lists(LEAVES, min_size=1, max_size=4))
def test_one_scan_counts_the_rule_and_each_condition_alone(data: None, rules: list[Any]) -> None:
    context = Context(today=DAYS[0], zone=ZoneInfo("Europe/Berlin"))
    node = parse({"any": rules}, ROWS)
    counts = found(*counting(node, ROWS, context))[0]
    alone = [sum(holds(rule, row, context.today, context.zone) for row in DATA) for rule in rules]
    whole = sum(holds({"any": rules}, row, context.today, context.zone) for row in DATA)
    assert list(counts) == [len(DATA), whole, *alone]


@settings(parent=many, max_examples=200)
@given(rule=RULES.filter(lambda r: depth(r) <= 6))
def test_a_stored_rule_reads_back_to_the_same_tree(rule: Any) -> None:
    node = parse(rule, ROWS)
    assert to_json(parse(to_json(node), ROWS)) == to_json(node)
    assert len(list(leaves(parse(to_json(node), ROWS)))) == len(list(leaves(node)))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("name", DATED)
def test_every_day_at_the_edge_of_a_window_falls_on_the_right_side(data: None, name: str, zone: str) -> None:
    near = [(day + timedelta(days=n)).isoformat() for day in DAYS for n in (-1, 0, 1)]
    relative = [("in_last_days", n) for n in (1, 2, 7)] + [("more_than_days_ago", n) for n in (1, 2, 7)]
    relative += [("in_next_days", n) for n in (1, 2, 7)] + [("not_in_last_days", 2)]
    absolute = [(op, day) for op in ("before", "after") for day in near]
    absolute += [("between", [day, day]) for day in near]
    for today in DAYS:
        context = Context(today=today, zone=ZoneInfo(zone))
        for op, value in relative + (absolute if today == DAYS[0] else []):
            rule = {"field": name, "op": op, "value": value}
            expected = {row["id"] for row in DATA if holds(rule, row, today, context.zone)}
            assert {pk for (pk,) in found(*matching(parse(rule, ROWS), ROWS, context))} == expected, rule


def everybody(rule: Any, **given: Any) -> set[int]:
    context = Context(today=DAYS[0], zone=ZoneInfo("UTC"))
    return {pk for (pk,) in found(*matching(parse(rule, ROWS), ROWS, context, **given))}


def test_the_empty_rule_is_everybody(data: None) -> None:
    assert everybody({"version": 1, "all": []}) == {row["id"] for row in DATA}


def test_matching_can_be_limited_to_some_rows(data: None) -> None:
    assert everybody({"all": []}, keys=[3, 5, 999_999]) == {3, 5}


def test_rows_do_not_repeat_and_unneeded_joins_are_left_out() -> None:
    context = Context(today=DAYS[0], zone=ZoneInfo("UTC"))
    plain = matching(parse({"field": "vip", "op": "yes"}, ROWS), ROWS, context)
    joined = matching(parse({"field": "orders", "op": "known"}, ROWS), ROWS, context)
    assert "cond_extra" not in plain.text and "LEFT JOIN cond_extra" in joined.text


def test_what_is_typed_never_becomes_sql() -> None:
    context = Context(today=DAYS[0], zone=ZoneInfo("UTC"))
    typed = "x'); DROP TABLE cond_row; --"
    sql, params = compile(parse({"field": "name", "op": "contains", "value": typed}, ROWS), ROWS, context)
    assert "DROP" not in sql and typed in params


def test_a_percent_sign_in_registered_sql_survives(data: None) -> None:
    rows = FieldSet("other", "Rows", base="cond_row c", key="c.id")
    rows.register(Field("odd", "Odd", FieldType.NUMBER, "c.id %% 2"))
    context = Context(today=DAYS[0], zone=ZoneInfo("UTC"))
    node = parse({"field": "odd", "op": "eq", "value": 1}, rows)
    assert {pk for (pk,) in found(*matching(node, rows, context))} == {r["id"] for r in DATA if r["id"] % 2}


def test_why_tells_the_value_it_looked_at(data: None) -> None:
    row = next(r for r in DATA if r["orders"] is not None and r["seen"] is not None)
    context = Context(today=DAYS[0], zone=ZoneInfo("Asia/Kathmandu"))
    rule = {"all": [{"field": "orders", "op": "gte", "value": 3}, {"field": "seen", "op": "known"}]}
    told = why(parse(rule, ROWS), ROWS, context, row["id"])
    assert told and told.children[0].found == str(row["orders"])
    assert told.children[1].found == row["seen"].astimezone(context.zone).date().isoformat()
    assert why(parse(rule, ROWS), ROWS, context, 999_999) is None


def test_a_positive_comparison_can_use_an_index(data: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX ON cond_row (pick); ANALYZE cond_row; SET LOCAL enable_seqscan = off")
        context = Context(today=DAYS[0], zone=ZoneInfo("UTC"))
        sql, params = matching(parse({"field": "pick", "op": "is", "value": "de"}, ROWS), ROWS, context)
        cursor.execute("EXPLAIN " + sql, params)
        assert "Index" in "\n".join(line for (line,) in cursor.fetchall())
