"""Who is calling, jobs, the change feed, throttles and addresses of the REST API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from rest_framework.settings import api_settings

from core.events import emit
from core.jobs import start_job
from tests.api import Caller, assert_pinned, errors

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(ada: Any) -> Caller:
    return Caller(ada)


def test_me_says_what_the_key_may_do(ada: Any, vic: Any) -> None:
    me = Caller(vic, ["customer.read", "order.write"], maker=ada).get("me/").json()
    assert (me["email"], me["role"], me["rights"]) == ("vic@example.com", "viewer", ["customer.read"])
    assert me["key"]["scopes"] == ["customer.read", "order.write"]
    assert [team["name"] for team in me["teams"]] == ["General"]
    assert me["workspace"]["is_demo"] is False


def test_nobody_comes_in_without_a_key(anonymous: Client, api: Caller) -> None:
    for path in ("me/", "customers/", "interactions/", "events/", "jobs/"):
        answer = anonymous.get(f"/api/v1/{path}")
        assert (answer.status_code, errors(answer)) == (401, [("not_authenticated", None)])
        assert answer["WWW-Authenticate"].startswith("Bearer")
    wrong = anonymous.get("/api/v1/me/", headers={"Authorization": "Bearer rk_nothing_here"})
    assert (wrong.status_code, errors(wrong)) == (401, [("authentication_failed", None)])


def test_a_session_is_no_key(ada: Any, signed_in: Any) -> None:
    assert signed_in(ada).get("/api/v1/customers/").status_code == 401


def test_addresses_that_do_not_exist_answer_in_the_one_shape(anonymous: Client, api: Caller) -> None:
    for path in ("nothing/", "customers/x/", "customers/99999999999999999999/", "a%0Ab/", "jobs/7/", ""):
        answer = anonymous.get(f"/api/v1/{path}")
        assert (answer.status_code, errors(answer)) == (404, [("not_found", None)]), path
    assert errors(api.get("customers/9223372036854775807/")) == [("not_found", None)]
    assert errors(api.get("customers/9999999999999999999/")) == [("not_found", None)]
    assert errors(api.delete("customers/")) == [("method_not_allowed", None)]


def test_a_missing_slash_is_put_right_and_the_body_comes_along(api: Caller) -> None:
    answer = api.get("customers", limit=5)
    assert (answer.status_code, answer["Location"]) == (308, "/api/v1/customers/?limit=5")
    made = api.client.post(
        "/api/v1/customers", '{"name": "Eva"}', content_type="application/json", follow=True
    )
    assert made.status_code == 201


@pytest.fixture
def _redis_is_there(monkeypatch: Any) -> None:
    """Whatever an earlier call found on a busy machine."""
    from config.cache import ForgivingRedisCache

    monkeypatch.setattr(ForgivingRedisCache, "_away_until", 0.0)


@pytest.mark.usefixtures("_redis_is_there")
def test_calls_are_counted_by_key(api: Caller, ada: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(api_settings.DEFAULT_THROTTLE_RATES, "key", "2/d")
    first = api.get("me/")
    assert (first["RateLimit-Limit"], first["RateLimit-Remaining"]) == ("2", "1")
    assert 0 < int(first["RateLimit-Reset"]) <= 86_401
    assert api.get("me/").status_code == 200
    refused = api.get("me/")
    assert (refused.status_code, errors(refused)) == (429, [("throttled", None)])
    assert int(refused["Retry-After"]) > 0 and refused["RateLimit-Remaining"] == "0"
    assert Caller(ada).get("me/").status_code == 200


@pytest.mark.usefixtures("_redis_is_there")
def test_strangers_are_counted_by_address(anonymous: Client, monkeypatch: Any) -> None:
    monkeypatch.setitem(api_settings.DEFAULT_THROTTLE_RATES, "anonymous", "1/d")
    assert anonymous.get("/api/v1/schema/").status_code == 200
    assert anonymous.get("/api/v1/schema/").status_code == 429


def test_without_redis_calls_are_let_through(api: Caller, monkeypatch: Any) -> None:
    from redis.exceptions import ConnectionError as Away

    from config.cache import ForgivingRedisCache

    monkeypatch.setitem(api_settings.DEFAULT_THROTTLE_RATES, "key", "1/d")

    def away(*args: Any, **options: Any) -> None:
        raise Away

    monkeypatch.setattr(ForgivingRedisCache, "_away_until", 0.0)
    monkeypatch.setattr(type(cache._cache), "get_client", away)
    for _ in range(3):
        assert api.get("me/").status_code == 200


# Jobs


def test_jobs_are_listed_newest_first(api: Caller, ada: Any) -> None:
    first = start_job("import_orders", "Import orders", by=ada, input={"path": "/srv/secret"}, enqueue=False)
    second = start_job("other", "Other work", enqueue=False)
    body = api.get("jobs/").json()
    assert [one["id"] for one in body["results"]] == [str(second.pk), str(first.pk)]
    assert "/srv/secret" not in str(body)
    assert [one["id"] for one in api.get("jobs/", kind="other").json()["results"]] == [str(second.pk)]
    shown = api.get(f"jobs/{first.pk}/").json()
    assert (shown["state"], shown["percent"], shown["created_by"]) == ("queued", 0, ada.pk)
    assert errors(api.get("jobs/", state="lost")) == [("invalid_choice", "state")]
    assert_pinned("api:job-list", api, "jobs/")


# Events


def test_the_feed_is_read_page_by_page(api: Caller) -> None:
    start = api.get("events/", after="latest").json()["next_after"]
    for n in range(3):
        emit("thing.happened" if n % 2 else "other.happened", n=n)
    page = api.get("events/", after=start, limit=2).json()
    assert ([one["ids"]["n"] for one in page["results"]], page["more"]) == ([0, 1], True)
    rest = api.get("events/", after=page["next_after"]).json()
    assert ([one["ids"]["n"] for one in rest["results"]], rest["more"]) == ([2], False)
    only = api.get("events/", after=start, types="thing.happened").json()
    assert [one["type"] for one in only["results"]] == ["thing.happened"]
    assert only["next_after"] == rest["next_after"]
    assert api.get("events/", after=rest["next_after"]).json()["results"] == []


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"after": "x"}, ("invalid", "after")),
        ({"after": "-1"}, ("invalid", "after")),
        ({"after": "9" * 18}, ("beyond_newest", "after")),
        ({"after": "9" * 30}, ("invalid", "after")),
        ({"limit": "0"}, ("invalid", "limit")),
        ({"limit": "501"}, ("invalid", "limit")),
        ({"types": "a\x00"}, ("invalid", "types")),
        ({"type": "a"}, ("unknown_parameter", "type")),
    ],
)
def test_a_wrong_question_to_the_feed_is_refused(api: Caller, query: Any, wrong: Any) -> None:
    answer = api.get("events/", **query)
    assert (answer.status_code, errors(answer)) == (400, [wrong])


def test_the_feed_takes_a_pinned_number_of_statements(api: Caller) -> None:
    for n in range(20):
        emit("thing.happened", conversation=n + 1, account=n + 1)
    assert_pinned("api:event-list", api, "events/")


def test_viewers_do_not_read_the_feed(ada: Any, vic: Any) -> None:
    assert Caller(vic, maker=ada).get("events/").status_code == 403


# Description


def test_the_description_is_written_without_a_guess(tmp_path: Path) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", file=str(tmp_path / "schema.yml"))


def test_lists_are_narrowed_by_a_group_or_by_none(anonymous: Client) -> None:
    told = anonymous.get("/api/v1/schema/").json()["paths"]["/api/v1/customers/"]["get"]["parameters"]
    group = next(one["schema"] for one in told if one["name"] == "persona")
    assert group == {"oneOf": [{"type": "integer", "minimum": 1}, {"const": "none"}]}


def test_the_description_is_openapi_3_1_and_open_to_all(anonymous: Client) -> None:
    document = anonymous.get("/api/v1/schema/").json()
    assert document["openapi"] == "3.1.0"
    assert reverse("api:docs") == "/api/v1/docs/"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary") and operation.get("tags"), (method, path)
            assert operation.get("description"), (method, path)
            body = operation.get("requestBody", {}).get("content", {"application/json": {"examples": 1}})
            assert body["application/json"].get("examples"), (method, path)
            codes = set(operation["responses"])
            assert {"400", "401", "403", "429"} <= codes or path == "/api/v1/me/", (method, path, codes)
            for code in codes - {"200", "201", "202", "204", "301"}:
                content = operation["responses"][code]["content"]["application/json"]
                assert content["schema"] == {"$ref": "#/components/schemas/ErrorsOut"}, (path, code)
                assert content["examples"], (path, code)
