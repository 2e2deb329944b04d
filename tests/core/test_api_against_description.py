"""Every endpoint against its own description: right and wrong calls, made up by schemathesis.

Whatever is sent, the answer has a status, a type and a shape that the description names, and never a 5xx.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.api.description import described
from core.jobs import start_job
from crm.affiliations import affiliate
from crm.custom_fields import define_field
from crm.merging import merge_customers
from crm.models import Identity, Suspect
from crm.notes import write_note
from crm.orders import store_orders
from crm.services import Handle, create_customer
from crm.tagging import tag_called
from crm.todo import add_task
from engagement.ingest import ingest
from engagement.models import Conversation, Interaction
from personas.authoring import add_note
from personas.models import AdSpend, Persona, PersonaMembership, PersonaModel
from personas.reach.evidence import Audience
from personas.reach.keeping import keep_plan
from personas.reach.planning import Ask
from personas.reach.spend import SpendIn, store_spend
from personas.segments import create_segment
from personas.sharing import share_persona
from tests.api import Caller
from tests.crm.importing import upload
from tests.crm.orders import order
from tests.engagement.events import account, inbound

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_kept_connection")]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
OPERATIONS: dict[str, list[tuple[str, str]]] = {}
for _path, _methods in sorted(described()["paths"].items()):
    for _method in sorted(_methods):
        OPERATIONS.setdefault(_path.split("/")[3], []).append((_method.upper(), _path))
EXAMPLES = 5
"""Of each operation and each mode. More find more: `EXAMPLES = 200` takes some twenty minutes."""


WITHOUT_ROWS = (
    "events", "me", "persona-settings", "personalize", "predictions", "privacy", "rebuilds", "rereads",
    "search", "text-models", "traits",
)  # fmt: skip
"""Kinds of calls that ask for no row by its number."""


@pytest.fixture
def api(ada: Any) -> Caller:
    return Caller(ada)


@pytest.fixture
def rows(ada: Any, api: Caller) -> dict[str, str]:
    """One row of everything, so that some calls find what they ask for."""
    customer = create_customer(values={"name": "Eva"}, identities=[Handle("email", "e@example.org")], by=ada)
    shop = account("acme_shop")
    ingest(shop, [inbound("a")])
    orders = store_orders("webshop", [order("1")])
    rule = {"all": [{"field": "customer.city", "op": "is", "value": "Lund"}]}
    segment = create_segment(name="Lund", rule=rule, by=ada)
    persona = Persona.objects.create(name="Loyal", members=10)
    PersonaMembership.objects.create(
        customer=customer, persona=persona, confidence=0.5, since=timezone.now(), reasons=["x"]
    )
    field = define_field(key="plan", label="Plan", type="choice", choices=["Free", "Plus"], by=ada)
    note = write_note(customer=customer, text="Rings before nine", by=ada)
    task = add_task(customer=customer, title="Ring back", by=ada)
    firm = create_customer(values={"name": "Firm", "kind": "organization"}, by=ada)
    row, _made = affiliate(person=customer, organization=firm, by=ada)
    same = create_customer(values={"name": "E."}, by=ada)
    merge = merge_customers(keep=customer, drop=same, by=ada)
    twin = create_customer(values={"name": "Eva"}, by=ada)
    evidence = [{"field": "name", "left": "Eva", "right": "Eva", "level": "same", "weight": 9.0}]
    pair = Suspect.objects.create(low=customer, high=twin, probability=0.9, evidence=evidence)
    found = {
        "suspects": pair.pk,
        "customers": customer.pk,
        "merges": merge.pk,
        "identities": Identity.objects.values_list("pk", flat=True)[0],
        "orders": orders.ids["1"],
        "channel-accounts": shop.pk,
        "interactions": Interaction.objects.get().pk,
        "conversations": Conversation.objects.get().pk,
        "segments": segment.pk,
        "personas": persona.pk,
        "persona-notes": add_note(persona=persona, part="who", text="Flats", by=ada).pk,
        "persona-shares": share_persona(persona=persona, days=7, by=ada).pk,
        "ad-spend": _spend(ada),
        "reach-plans": _plan(persona, ada),
        "jobs": start_job("other", "Other", enqueue=False).pk,
        "imports": upload("id,name\n1,Eva\n", ada).pk,
        "notes": note.pk,
        "tasks": task.pk,
        "affiliations": row.pk,
        "tags": tag_called("vip").pk,
        "custom-fields": field.pk,
        "persona-models": PersonaModel.objects.create(
            customers=60, k=2, parameters={}, figures={}, reason="by hand"
        ).pk,
        **dict.fromkeys(WITHOUT_ROWS, ""),
    }
    return {name: str(pk) for name, pk in found.items()}


def _spend(by: Any) -> int:
    """A day that cost something."""
    store_spend([SpendIn("instagram", date(2026, 3, 1), Decimal(5), "EUR")], source="api", by=by)
    return AdSpend.objects.get().pk


def _plan(persona: Persona, by: Any) -> int:
    """A plan that was kept."""
    ask = Ask(Audience.of_persona(persona), date(2026, 3, 1), date(2026, 3, 31), posts=2)
    return keep_plan(ask=ask, name="March", by=by).pk


@pytest.fixture
def _kept_connection() -> Iterator[None]:
    """Calls come in as from a server, but stay within the transaction of the test."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


@pytest.fixture(scope="module")
def description() -> Any:
    schema = schemathesis.openapi.from_dict(described())
    schema.app = get_wsgi_application()
    schema.location = "http://localhost/api/v1/schema/"
    return schema


@pytest.mark.parametrize("kind", OPERATIONS)
def test_answers_are_as_described(kind: str, api: Caller, rows: dict[str, str], description: Any) -> None:
    for method, path in OPERATIONS[kind]:
        operation = description[path][method]
        for mode in GenerationMode:
            may_be_wrong = operation.body or operation.query or operation.path_parameters
            if mode == GenerationMode.POSITIVE or may_be_wrong:
                _call(operation.as_strategy(generation_mode=mode), api, rows[kind], rows)


def _call(cases: Any, api: Caller, own: str, rows: dict[str, str]) -> None:
    number = iter(range(10_000))

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def call(case: Any) -> None:
        if next(number) % 2:
            _aim(case, own, rows)
        headers = {"Authorization": f"Bearer {api.token}"}
        case.call_and_validate(base_url="http://localhost/", headers=headers, checks=CHECKS)

    call()


def _aim(case: Any, own: str, rows: dict[str, str]) -> None:
    """Ask about rows that are there."""
    if case.path_parameters and "id" in case.path_parameters:
        case.path_parameters["id"] = own
    if case.query and "customer" in case.query:
        case.query["customer"] = rows["customers"]
    for item in case.body if isinstance(case.body, list) else [case.body]:
        if isinstance(item, dict) and isinstance(item.get("account"), int | str):
            item["account"] = int(rows["channel-accounts"])
