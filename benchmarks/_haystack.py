"""The data that `benchmarks/search.py` looks through, made by the database itself from a seed.

Everything is drawn by a hash of the seed and the row's number, so the same seed makes the same rows. Words
of four classes are planted into messages, surnames and domains of four into customers, each found as often as
its class says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

SEED = 20_260_322
DAYS = 730
FIRST_NAMES = (
    "Anna Bruno Clara Dario Elif Femi Greta Hugo Ines Jörg Katja Liam Mei Noor Olga Pavel Quentin Rosa Søren "
    "Tomás Ursula Viktor Wanda Ximena Yusuf Zoë Amélie Björn Chloé Dörte Émile Françoise"
).split()
SURNAMES, WORDS, FRAGMENTS = 5_000, 20_000, 4_096
MESSAGE_WORDS = ("quokka", "marzipan", "warranty", "please")
NAME_WORDS = ("Quillfeather", "Halloway", "Bergström", "mailhub")
TERMS = (20, 10, 4, 1)
"""How many words each class has."""
# They share no factor with any size, so row numbers times these visit every residue once, far apart.
MIXERS = (2_654_435_761, 1_618_033_989, 3_141_592_653, 2_718_281_829)


@dataclass(frozen=True)
class Size:
    """How much of everything, and how often a word of each class is found."""

    customers: int
    interactions: int
    hits: Sequence[int]
    names: Sequence[int]

    @property
    def conversations(self) -> int:
        return self.interactions // 5

    @property
    def orders(self) -> int:
        return self.customers // 2


FULL = Size(1_000_000, 5_000_000, (3, 300, 30_000, 3_000_000), (3, 300, 30_000, 400_000))
SMALL = Size(20_000, 100_000, (3, 300, 600, 60_000), (3, 300, 600, 8_000))


@dataclass(frozen=True)
class Share:
    """So many thousandths of all conversations are this team's, on this channel account."""

    team: int
    account: int
    thousandths: int


def message_word(kind: int, number: int) -> str:
    """Return a planted word of a class."""
    return MESSAGE_WORDS[kind] + (chr(ord("a") + number) if TERMS[kind] > 1 else "")


def name_word(kind: int, number: int) -> str:
    """Return a planted surname of a class, or the domain of the last one."""
    return NAME_WORDS[kind] + (chr(ord("a") + number) if TERMS[kind] > 1 else "")


def phone(number: int) -> str:
    """Return the phone number of a customer; every second one has one."""
    return f"+4915{number * 7919 % 100_000_000_0:09d}"


def order_number(number: int) -> str:
    """Return the number of an order."""
    return f"RB-{100_000 + number}"


def fill(connection: Any, size: Size, shares: Sequence[Share]) -> None:
    """Fill empty tables. The shares make a thousand thousandths."""
    draw = [(one.team, one.account) for one in shares for _ in range(one.thousandths)]
    values = {
        "seed": SEED,
        "days": DAYS,
        "customers": size.customers,
        "conversations": size.conversations,
        "interactions": size.interactions,
        "orders": size.orders,
        "first": FIRST_NAMES,
        "teams": [team for team, _ in draw],
        "accounts": [account for _, account in draw],
        "words": list(MESSAGE_WORDS),
        "names": list(NAME_WORDS),
        "terms": list(TERMS),
        "hits": list(size.hits),
        "named": list(size.names),
        "mixers": list(MIXERS),
    }
    with connection.cursor() as cursor:
        for setting in ("session_replication_role = replica", "synchronous_commit = off"):
            cursor.execute(f"SET {setting}")
        cursor.execute("SET maintenance_work_mem = '512MB'; SET work_mem = '128MB'; SET jit = off")
        cursor.execute(_VOCABULARY, {**values, "n_words": WORDS, "n_fragments": FRAGMENTS})
        for table, statement in _TABLES.items():
            with _without_indexes(cursor, table):
                cursor.execute(statement, values)
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")
        cursor.execute("RESET ALL")
        cursor.execute("VACUUM (ANALYZE)")


@contextmanager
def _without_indexes(cursor: Any, table: str) -> Iterator[None]:
    """Take the table's plain indexes off and build them anew behind the rows, which is far faster."""
    cursor.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid = %s::regclass AND NOT indisprimary AND NOT EXISTS"
        " (SELECT FROM pg_constraint WHERE conindid = indexrelid)",
        [table],
    )
    found = cursor.fetchall()
    for name, _ in found:
        cursor.execute(f"DROP INDEX {name}")
    yield
    for _, definition in found:
        cursor.execute(definition)


_VOCABULARY = """
CREATE OR REPLACE FUNCTION pg_temp.draw(i bigint, salt bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN hashint8extended(i, %(seed)s + salt) & 9223372036854775807;
CREATE OR REPLACE FUNCTION pg_temp.word(r bigint) RETURNS text LANGUAGE sql IMMUTABLE
RETURN translate(to_char(r, 'FM00000'), '0123456789', 'aeioumrstl') || substr('bdkp', (r %% 4 + 1)::int, 1);
CREATE TEMP TABLE haystack_fragment AS
SELECT n, (
    SELECT string_agg(pg_temp.word(exp(ln(%(n_words)s) * chance)::bigint), ' ')
    FROM generate_series(0, 3) AS k,
        LATERAL (SELECT pg_temp.draw(n * 4 + k, 1) %% 1000000 / 1e6 AS chance) AS drawn
) AS text FROM generate_series(0, %(n_fragments)s - 1) AS n;
"""

_CUSTOMERS = """
INSERT INTO crm_customer (id, kind, name, language, country, city, zone, job, company, note, stage,
    profiling_refused, created_at, last_seen_at)
SELECT i, 'person',
    (%(first)s::text[])[1 + h %% cardinality(%(first)s::text[])] || ' ' || CASE
        WHEN r1 < (%(terms)s::int[])[1] THEN (%(names)s::text[])[1] || chr(97 + r1::int)
        WHEN r2 < (%(terms)s::int[])[2] THEN (%(names)s::text[])[2] || chr(97 + r2::int)
        WHEN r3 < (%(terms)s::int[])[3] THEN (%(names)s::text[])[3] || chr(97 + r3::int)
        ELSE initcap(pg_temp.word(h / 64 %% 5000) || 'son') END,
    'en', 'DE', 'Berlin', '', '', '', '', 'consideration', false,
    now() - (%(days)s * (1 - i / %(customers)s::float) + 1) * interval '1 day',
    CASE WHEN h %% 10 > 0 THEN now() - (pg_temp.draw(i, 3) %% (%(days)s * 86400)) * interval '1 second' END
FROM (
    SELECT i, pg_temp.draw(i, 2) AS h,
        i * (%(mixers)s::bigint[])[1] %% %(customers)s / (%(named)s::bigint[])[1] AS r1,
        i * (%(mixers)s::bigint[])[2] %% %(customers)s / (%(named)s::bigint[])[2] AS r2,
        i * (%(mixers)s::bigint[])[3] %% %(customers)s / (%(named)s::bigint[])[3] AS r3
    FROM generate_series(1, %(customers)s::bigint) AS i
) AS drawn
"""

_IDENTITIES = """
INSERT INTO crm_identity (network, issuer, external_id, handle, name, verified, source, created_at,
    home_customer_id, customer_id)
SELECT one.network, one.issuer, one.external_id, coalesce(one.shown, one.external_id), '', false, 'haystack',
    now(), i, i
FROM (
    SELECT id AS i, lower(unaccent(replace(name, ' ', '.'))) || id AS plain,
        id * (%(mixers)s::bigint[])[4] %% %(customers)s AS mixed
    FROM crm_customer
) AS c CROSS JOIN LATERAL (VALUES
    (mixed %% 5 < 4, 'email', '', plain || '@' || CASE WHEN mixed < (%(named)s::bigint[])[4]
        THEN (%(names)s::text[])[4] ELSE pg_temp.word(mixed %% 5000) END || '.example', NULL),
    (i %% 2 = 0, 'phone', '', '+4915' || lpad((i * 7919 %% 1000000000)::text, 9, '0'), NULL),
    (mixed %% 2 = 0, 'x', '', (7000000000 + i)::text, '@' || replace(plain, '.', '_')),
    (mixed %% 5 = 1, 'id', 'shop', 'K-' || (200000 + i), NULL)
) AS one (has, network, issuer, external_id, shown)
WHERE one.has
"""

_ORDERS = """
INSERT INTO crm_order (source, external_id, number, status, placed_at, units, total, discount, refunded,
    currency, base_total, home_customer_id, customer_id, created_at, updated_at)
SELECT 'shop', (5000000 + i)::text, 'RB-' || (100000 + i), 'paid',
    now() - (pg_temp.draw(i, 4) %% (%(days)s * 86400)) * interval '1 second', 1, 20 + i %% 80, 0, 0, 'EUR',
    20 + i %% 80, c, c, now(), now()
FROM (
    SELECT i, 1 + pg_temp.draw(i, 5) %% %(customers)s AS c FROM generate_series(1, %(orders)s::bigint) AS i
) AS drawn
"""

# Four conversations in five came in as they happened; every fifth is history that was imported later.
_CONVERSATIONS = """
INSERT INTO engagement_conversation (id, subject, is_public, status, priority, created_at, first_at,
    first_inbound_at, last_at, last_inbound_at, last_text, last_direction, count, account_id, team_id,
    customer_id, home_customer_id)
SELECT c, CASE WHEN c %% 10 = 0 THEN f.text ELSE '' END, false,
    CASE WHEN c %% 50 = 0 THEN 'open' ELSE 'resolved' END, 2, at, at, at, at + interval '4 hours',
    at + interval '4 hours', f.text, 'inbound', 5, (%(accounts)s::bigint[])[1 + h %% 1000],
    (%(teams)s::bigint[])[1 + h %% 1000], person, person
FROM (
    SELECT c, pg_temp.draw(c, 6) AS h, 1 + pg_temp.draw(c, 7) %% %(customers)s AS person,
        now() - interval '5 hours' - %(days)s * interval '1 day' * CASE WHEN c %% 5 = 0
            THEN (pg_temp.draw(c, 8) %% 1000000) / 1e6 ELSE 1 - c / %(conversations)s::float END AS at
    FROM generate_series(1, %(conversations)s::bigint) AS c
) AS drawn JOIN haystack_fragment f ON f.n = h / 1024 %% 4096
"""

_INTERACTIONS = """
INSERT INTO engagement_interaction (id, external_id, staff_name, kind, direction, is_public, is_automatic,
    occurred_at, received_at, subject, text, in_reply_to, object_key, language, reason, topics, reader,
    account_id, conversation_id, team_id, customer_id, home_customer_id)
SELECT i, 'h' || i, '', 'message', CASE WHEN k %% 2 = 0 THEN 'inbound' ELSE 'outbound' END, false,
    false,
    at + k * interval '1 hour', at + k * interval '1 hour', CASE WHEN k = 0 THEN c.subject ELSE '' END,
    concat_ws(' ', f1.text,
        CASE WHEN r1 < (%(terms)s::int[])[1] THEN (%(words)s::text[])[1] || chr(97 + r1::int) END, f2.text,
        CASE WHEN r2 < (%(terms)s::int[])[2] THEN (%(words)s::text[])[2] || chr(97 + r2::int) END,
        CASE WHEN r3 < (%(terms)s::int[])[3] THEN (%(words)s::text[])[3] || chr(97 + r3::int) END, f3.text,
        CASE WHEN r4 < (%(terms)s::int[])[4] THEN (%(words)s::text[])[4] END),
    '', '', 'en', '', '{}', 0, account_id, c.id, team_id,
    CASE WHEN k %% 2 = 0 THEN customer_id END, CASE WHEN k %% 2 = 0 THEN customer_id END
FROM (
    SELECT i, 1 + (i - 1) / 5 AS c, (i - 1) %% 5 AS k, pg_temp.draw(i, 9) AS h,
        i * (%(mixers)s::bigint[])[1] %% %(interactions)s / (%(hits)s::bigint[])[1] AS r1,
        i * (%(mixers)s::bigint[])[2] %% %(interactions)s / (%(hits)s::bigint[])[2] AS r2,
        i * (%(mixers)s::bigint[])[3] %% %(interactions)s / (%(hits)s::bigint[])[3] AS r3,
        i * (%(mixers)s::bigint[])[4] %% %(interactions)s / (%(hits)s::bigint[])[4] AS r4
    FROM generate_series(1, %(interactions)s::bigint) AS i
) AS drawn
JOIN LATERAL (SELECT id, subject, first_at AS at, account_id, team_id, customer_id
    FROM engagement_conversation WHERE id = c) AS c ON true
JOIN haystack_fragment f1 ON f1.n = h %% 4096
JOIN haystack_fragment f2 ON f2.n = h / 4096 %% 4096
JOIN haystack_fragment f3 ON f3.n = h / 16777216 %% 4096
ORDER BY i
"""

_TABLES = {
    "crm_customer": _CUSTOMERS,
    "crm_identity": _IDENTITIES,
    "crm_order": _ORDERS,
    "engagement_conversation": _CONVERSATIONS,
    "engagement_interaction": _INTERACTIONS,
}
