"""Rules that anybody can edit: one tree for segments, automation, SLA policies, views and audiences.

    customers = fieldset("customer")
    rule = parse(data, customers)                       # RuleInvalid says what to type, and where
    sql, params = matching(rule, customers, Context(today=..., zone=...))
    sentence(rule, customers)                           # "Customers with at least 3 orders."

Shape of a rule (version 1): {"all": [...]}, {"any": [...]}, {"not": {...}},
{"field": "traits.orders_total", "op": "gte", "value": 3} and
{"event": {"what": "interaction", "network": "email"}, "op": "at_least", "count": 3, "days": 90}.

What is unknown: a condition holds only where its value is known and fits. `not` and every negative
operator are complements, so they hold for unknown values. "The last 90 days" are today and the 90
local days before it; "more than 90 days ago" is what lies before those.
"""

from core.conditions.compiling import Context, Sql, compile, counting, from_clause, matching
from core.conditions.describing import describe
from core.conditions.explaining import Explained, explain, why
from core.conditions.fields import Dimension, EventSource, Field, FieldSet, define, fieldset, fieldsets
from core.conditions.operators import FieldType
from core.conditions.parsing import RuleError, RuleInvalid, parse
from core.conditions.tree import (
    Condition,
    Group,
    Node,
    Not,
    Occurrence,
    Reference,
    leaves,
    references,
    to_json,
)
from core.conditions.wording import Part, parts, sentence

__all__ = [
    "Condition",
    "Context",
    "Dimension",
    "EventSource",
    "Explained",
    "Field",
    "FieldSet",
    "FieldType",
    "Group",
    "Node",
    "Not",
    "Occurrence",
    "Part",
    "Reference",
    "RuleError",
    "RuleInvalid",
    "Sql",
    "compile",
    "counting",
    "define",
    "describe",
    "explain",
    "fieldset",
    "fieldsets",
    "from_clause",
    "leaves",
    "matching",
    "parse",
    "parts",
    "references",
    "sentence",
    "to_json",
    "why",
]
