"""Connecting by a guided flow: needs, a login bound to who began it, choosing, self-test and webhook."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.views.debug import ExceptionReporter

from accounts.models import AuditEntry
from core.models import Workspace
from engagement import caretaking, connecting, examining, logins
from engagement.channels import BUILT_IN, connector
from engagement.channels.base import Offer
from engagement.models import ChannelAccount, HookState, Interaction, LoginGrant
from engagement.views.channel_connecting import is_offered
from tests.engagement.desk import general, hear
from tests.engagement.harbour import SECRET, Harbour, HarbourConnector, connected, harbour

__all__ = ["general", "harbour"]
pytestmark = pytest.mark.django_db


def url(name: str, *args: Any) -> str:
    return reverse(f"engagement:{name}", args=args)


def form(general: Any, **more: Any) -> dict[str, Any]:
    return {"team": general.pk, "goal_minutes": 60, "town": "Ghent", **more}


def begin(browser: Client, general: Any) -> str:
    """Begin a login; the state that the platform is given."""
    answer = browser.post(url("channel-connect", "harbour"), form(general))
    assert answer.status_code == 302, answer.content.decode()
    parts = urlsplit(answer.headers["Location"])
    assert parts.path == "/login"
    query = parse_qs(parts.query)
    assert query["redirect_uri"] == [logins.back_address("harbour")]
    return query["state"][0]


def come_back(browser: Client, state: str, **more: str) -> Any:
    return browser.get(url("channel-back", "harbour"), {"code": "good", "state": state, **more})


def said(answer: Any) -> str:
    """The page that follows, with what it says."""
    return str(answer.content.decode())


# What is needed


def test_a_card_for_each_network_and_a_search(signed_in: Any, ada: Any, harbour: Harbour) -> None:
    page = signed_in(ada).get(url("channel-new")).content.decode()
    assert "Messages of sailors" in page and "Email" in page
    for mark in ("Arrives at once", "Answered from the inbox", "Customers blocked", "Compared every night"):
        assert mark in page
    found = signed_in(ada).get(url("channel-new"), {"q": "sailors"}).content.decode()
    assert "Harbour" in found and "/new/email/" not in found
    assert (
        "No network is called that" in signed_in(ada).get(url("channel-new"), {"q": "zzz"}).content.decode()
    )


def test_what_is_needed_stands_with_its_reasons(signed_in: Any, ada: Any, harbour: Harbour) -> None:
    page = signed_in(ada).get(url("channel-needs", "harbour")).content.decode()
    assert "A harbour master&#x27;s account." in page
    assert "To take in messages." in page
    assert logins.back_address("harbour") in page
    assert "PUBLIC_URL" in page


def test_missing_keys_of_the_operators_app_are_named(
    signed_in: Any, ada: Any, harbour: Harbour, settings: Any
) -> None:
    settings.CHANNEL_APPS = {"harbour": {"id": "app-1"}}
    page = signed_in(ada).get(url("channel-needs", "harbour")).content.decode()
    assert "CHANNEL_APP_HARBOUR_SECRET" in page
    assert "CHANNEL_APP_HARBOUR_ID" not in page


def test_the_page_of_a_channel_is_shown_without_html_of_its_own(signed_in: Any, ada: Any) -> None:
    page = signed_in(ada).get(url("channel-needs", "email")).content.decode()
    assert "r-document" in page
    assert "<script>alert" not in page


PAGES = ["channel-new", "channel-list"]
OF_A_NETWORK = ["channel-needs", "channel-connect", "channel-back"]
OF_AN_ACCOUNT = ["channel-health", "channel-edit", "channel-setup", "channel-parked", "channel-disconnect"]
ACTS = ["channel-examine", "channel-webhook", "channel-compare", "channel-reconnect", "parked-replay-all"]


@pytest.mark.parametrize("person", ["amy", "mia", "vic"])
@pytest.mark.usefixtures("harbour")
def test_nobody_else_gets_anywhere(
    signed_in: Any, request: Any, anonymous: Any, person: str, general: Any
) -> None:
    browser, account = signed_in(request.getfixturevalue(person)), connected(general)
    harbour: Harbour = request.getfixturevalue("harbour")
    addresses = [url(name) for name in PAGES] + [url(name, "harbour") for name in OF_A_NETWORK]
    addresses += [url(name, account.pk) for name in OF_AN_ACCOUNT]
    for address in addresses:
        assert browser.get(address).status_code == 403, address
        assert anonymous.get(address).status_code == 302
    for name in ACTS:
        assert browser.post(url(name, account.pk)).status_code == 403, name
        assert anonymous.post(url(name, account.pk)).status_code == 302
    for name in ("parked-replay", "parked-discard"):
        assert browser.post(url(name, account.pk, 1)).status_code == 403
    assert harbour.calls == []


@pytest.mark.parametrize("person", ["ada", "max"])
def test_those_who_manage_channels_get_everywhere(
    signed_in: Any, request: Any, person: str, harbour: Harbour, general: Any
) -> None:
    browser, account = signed_in(request.getfixturevalue(person)), connected(general)
    for name in OF_AN_ACCOUNT:
        assert browser.get(url(name, account.pk)).status_code == 200, name
    for name in ("channel-needs", "channel-connect"):
        assert browser.get(url(name, "harbour")).status_code == 200, name


# The login


def test_several_accounts_of_one_login_are_connected(
    signed_in: Any, ada: Any, general: Any, harbour: Harbour
) -> None:
    browser = signed_in(ada)
    answer = come_back(browser, begin(browser, general))
    grant = LoginGrant.objects.get()
    assert answer.headers["Location"] == url("channel-choose", grant.pk)
    page = browser.get(answer.headers["Location"]).content.decode()
    assert "The quay" in page and "It belongs to somebody else." in page
    chosen = browser.post(url("channel-choose", grant.pk), {**form(general), "chosen": ["quay", "pier"]})
    quay, pier = ChannelAccount.objects.order_by("pk")
    assert chosen.headers["Location"] == f"{url('channel-setup', quay.pk)}?also={pier.pk}"
    assert (quay.external_id, quay.name, quay.scopes) == ("quay", "The quay", ["read", "write"])
    assert quay.credentials["access_token"] == "token-1"
    assert quay.settings == {"town": "Ghent", "only_new": True}
    assert quay.reply_goal_minutes == 60
    assert quay.token_expires_at is not None and quay.token_renewed_at is not None
    assert not LoginGrant.objects.exists()
    assert AuditEntry.objects.filter(verb="channel.connected").count() == 2
    setup = browser.get(chosen.headers["Location"]).content.decode()
    assert "2 channels are connected" in setup and "The pier" in setup


def test_what_is_there_already_comes_in_where_it_is_wanted(
    signed_in: Any, ada: Any, general: Any, harbour: Harbour
) -> None:
    browser = signed_in(ada)
    come_back(browser, begin(browser, general))
    values = {**form(general), "chosen": ["quay"], "history": "on"}
    browser.post(url("channel-choose", LoginGrant.objects.get().pk), values)
    assert ChannelAccount.objects.get().settings["only_new"] is False


def test_what_the_form_asked_about_the_past_is_proposed(
    signed_in: Any, ada: Any, general: Any, harbour: Harbour
) -> None:
    browser = signed_in(ada)
    come_back(browser, begin(browser, general))
    grant = LoginGrant.objects.get()
    assert grant.offers["asked"]["only_new"] is True
    address = url("channel-choose", grant.pk)
    assert browser.get(address).context["form"].initial["history"] is False
    grant.offers = {**grant.offers, "asked": {**grant.offers["asked"], "only_new": False}}
    grant.save()
    assert browser.get(address).context["form"].initial["history"] is True


def test_a_login_without_the_operators_app_names_what_is_missing(
    signed_in: Any, ada: Any, general: Any, harbour: Harbour, settings: Any
) -> None:
    settings.CHANNEL_APPS = {}
    answer = signed_in(ada).post(url("channel-connect", "harbour"), form(general))
    assert answer.status_code == 422
    assert "CHANNEL_APP_HARBOUR_ID, CHANNEL_APP_HARBOUR_SECRET" in answer.content.decode()


def test_an_account_that_is_connected_is_marked_and_cannot_be_chosen(
    signed_in: Any, ada: Any, general: Any, harbour: Harbour
) -> None:
    connected(general)
    browser = signed_in(ada)
    come_back(browser, begin(browser, general))
    address = url("channel-choose", LoginGrant.objects.get().pk)
    assert "Connected already" in browser.get(address).content.decode()
    answer = browser.post(address, {**form(general), "chosen": ["quay"]})
    assert answer.status_code == 422
    assert ChannelAccount.objects.count() == 1


def test_one_that_was_disconnected_goes_on_with_its_data(
    signed_in: Any, ada: Any, general: Any, harbour: Harbour
) -> None:
    account = connected(general, cursor={"at": 7})
    conversation = hear(account)
    connecting.disconnect_account(account=account, by=ada)
    browser = signed_in(ada)
    come_back(browser, begin(browser, general))
    browser.post(url("channel-choose", LoginGrant.objects.get().pk), {**form(general), "chosen": ["quay"]})
    account.refresh_from_db()
    assert account.is_active and account.cursor == {"at": 7}
    assert Interaction.objects.get().conversation == conversation


def test_a_state_works_once(signed_in: Any, ada: Any, general: Any, harbour: Harbour) -> None:
    browser = signed_in(ada)
    state = begin(browser, general)
    come_back(browser, state)
    again = come_back(browser, state)
    assert again.headers["Location"] == url("channel-needs", "harbour")
    assert "was not begun here" in said(browser.get(again.headers["Location"]))
    assert LoginGrant.objects.count() == 1


def test_a_state_works_in_its_session_alone(signed_in: Any, ada: Any, general: Any, harbour: Harbour) -> None:
    state = begin(signed_in(ada), general)
    other = signed_in(ada)
    assert come_back(other, state).headers["Location"] == url("channel-needs", "harbour")
    assert harbour.calls == []


def test_a_state_works_for_its_person_alone(
    signed_in: Any, ada: Any, max: Any, general: Any, harbour: Harbour
) -> None:
    browser, other = signed_in(ada), signed_in(max)
    state = begin(browser, general)
    session = other.session
    session[logins.SESSION_KEY] = browser.session[logins.SESSION_KEY]
    session.save()
    assert come_back(other, state).headers["Location"] == url("channel-needs", "harbour")
    assert harbour.calls == []


@pytest.mark.parametrize("state", ["", "wrong"])
def test_without_its_state_nothing_is_asked(
    signed_in: Any, ada: Any, general: Any, harbour: Harbour, state: str
) -> None:
    browser = signed_in(ada)
    begin(browser, general)
    assert come_back(browser, state).headers["Location"] == url("channel-needs", "harbour")
    assert harbour.calls == []


def test_a_state_works_for_ten_minutes(
    signed_in: Any, ada: Any, general: Any, harbour: Harbour, time_machine: Any
) -> None:
    browser = signed_in(ada)
    state = begin(browser, general)
    time_machine.move_to(timezone.now() + timedelta(minutes=10, seconds=5))
    answer = come_back(browser, state)
    assert "longer than ten minutes" in said(browser.get(answer.headers["Location"]))
    assert harbour.calls == [] and not LoginGrant.objects.exists()


def test_a_refusal_is_told_in_plain_words(signed_in: Any, ada: Any, general: Any, harbour: Harbour) -> None:
    browser = signed_in(ada)
    answer = come_back(browser, begin(browser, general), error="access_denied")
    assert "You did not allow it. Press Allow." in said(browser.get(answer.headers["Location"]))


def test_only_forms_that_end_at_a_login_may_leave(
    signed_in: Any, ada: Any, general: Any, harbour: Harbour
) -> None:
    browser, rule = signed_in(ada), "Content-Security-Policy"
    address = harbour.url.removeprefix("http://")
    with_login = browser.get(url("channel-connect", "harbour")).headers[rule]
    without = browser.get(url("channel-connect", "telegram")).headers[rule]
    assert f"form-action 'self' https: http://{address}" in with_login
    assert "form-action 'self';" in without or without.endswith("form-action 'self'")


def test_what_lies_between_is_encrypted_and_not_in_the_session(
    signed_in: Any, ada: Any, general: Any, harbour: Harbour
) -> None:
    browser = signed_in(ada)
    state = begin(browser, general)
    with connection.cursor() as cursor:
        cursor.execute("SELECT offers FROM engagement_logingrant")
        stored = bytes(cursor.fetchone()[0])
    assert b"pkce" not in stored and state.encode() not in stored
    assert state not in json.dumps(dict(browser.session))
    come_back(browser, state)
    with connection.cursor() as cursor:
        cursor.execute("SELECT offers FROM engagement_logingrant")
        assert b"token-1" not in bytes(cursor.fetchone()[0])


@pytest.mark.usefixtures("harbour")
def test_a_choice_is_its_persons_and_ends_after_an_hour(
    signed_in: Any, ada: Any, max: Any, general: Any, time_machine: Any
) -> None:
    browser = signed_in(ada)
    come_back(browser, begin(browser, general))
    address = url("channel-choose", LoginGrant.objects.get().pk)
    assert signed_in(max).get(address).headers["Location"] == url("channel-new")
    time_machine.move_to(timezone.now() + timedelta(minutes=61))
    assert browser.get(address).headers["Location"] == url("channel-new")
    assert logins.forget_old() == 1


def test_no_login_while_the_demo_is_there(signed_in: Any, ada: Any, general: Any, harbour: Harbour) -> None:
    Workspace.objects.filter(pk=Workspace.current().pk).update(demo_since=timezone.now())
    answer = signed_in(ada).post(url("channel-connect", "harbour"), form(general))
    assert answer.status_code == 422
    assert not LoginGrant.objects.exists()


# New access for an account that is there


def reconnect(browser: Client, account: ChannelAccount) -> Any:
    answer = browser.post(url("channel-reconnect", account.pk))
    state = parse_qs(urlsplit(answer.headers["Location"]).query)["state"][0]
    return come_back(browser, state)


def test_signing_in_again_keeps_data_and_cursor(
    signed_in: Any, ada: Any, general: Any, harbour: Harbour
) -> None:
    account = connected(
        general, cursor={"at": 9}, health="needs_login", settings={"town": "Ghent"},
        credentials={"access_token": "dead"},
    )  # fmt: skip
    hear(account)
    answer = reconnect(signed_in(ada), account)
    assert answer.headers["Location"] == url("channel-setup", account.pk)
    account.refresh_from_db()
    assert (account.health, account.cursor) == ("healthy", {"at": 9})
    assert account.credentials["access_token"] == "token-1"
    assert account.next_pull_at is not None
    assert Interaction.objects.filter(account=account).count() == 1
    assert ChannelAccount.objects.count() == 1
    assert AuditEntry.objects.get(verb="channel.reconnected").object_id == str(account.pk)


def test_the_login_of_another_account_is_refused(
    signed_in: Any, ada: Any, general: Any, harbour: Harbour
) -> None:
    account = connected(general, health="needs_login", settings={"town": "Ghent"})
    del harbour.accounts["quay"]
    browser = signed_in(ada)
    answer = reconnect(browser, account)
    assert "This login is of The pier" in said(browser.get(answer.headers["Location"]))
    account.refresh_from_db()
    assert account.health == "needs_login"
    assert not LoginGrant.objects.exists()


@pytest.mark.parametrize(
    ("offer", "same"),
    [
        (Offer("quay", "x"), True),
        (Offer("quay", "x", network="harbour", issuer="town"), True),
        (Offer("quay", "x", network="lake"), False),
        (Offer("pier", "x"), False),
        (Offer("quay", "x", issuer="city"), False),
    ],
)
def test_whose_login_it_is(general: Any, harbour: Harbour, offer: Offer, same: bool) -> None:
    account = connected(general, issuer="town")
    assert connecting.is_of(offer, account) is same


def test_keys_of_another_account_are_refused_where_something_came_in(
    general: Any, ada: Any, harbour: Harbour, monkeypatch: Any
) -> None:
    account = connected(general)
    hear(account)

    def fill(self: Any, account: Any, cleaned: Any) -> None:
        account.external_id = "pier"

    monkeypatch.setattr(HarbourConnector, "fill_account", fill)
    with pytest.raises(ValidationError, match="channel of its own"):
        connecting.change_account(
            account=account, name="x", cleaned={}, team=general, brand=None, goal_minutes=60, by=ada
        )


def test_saving_a_form_does_not_put_back_a_token_that_was_renewed_meanwhile(
    general: Any, ada: Any, harbour: Harbour
) -> None:
    account = connected(general)
    in_the_form = ChannelAccount.objects.get(pk=account.pk)
    account.credentials = {"access_token": "renewed"}
    account.save()
    connecting.change_account(
        account=in_the_form, name="New name", cleaned={"api_token": "typed"}, team=general, brand=None,
        goal_minutes=60, by=ada,
    )  # fmt: skip
    account.refresh_from_db()
    assert account.credentials == {"access_token": "renewed", "api_token": "typed"}


# Self-test and webhook


def test_the_self_test_says_of_each_permission_whether_it_works(
    signed_in: Any, ada: Any, general: Any, harbour: Harbour
) -> None:
    harbour.granted = ["read"]
    account = connected(general)
    lines = signed_in(ada).post(url("channel-examine", account.pk)).content.decode()
    assert "Sign in again and allow it." in lines
    account.refresh_from_db()
    assert [(one["name"], one["works"]) for one in account.findings] == [("read", True), ("write", False)]
    assert account.examined_at is not None
    assert (
        "Sign in again and allow it."
        in signed_in(ada).get(url("channel-health", account.pk)).content.decode()
    )


def test_a_self_test_that_breaks_is_a_finding(general: Any, harbour: Harbour, monkeypatch: Any) -> None:
    monkeypatch.setattr(HarbourConnector, "examine", lambda self, account: 1 / 0)
    found = examining.examine(connected(general))
    assert [(one.works, one.text) for one in found] == [(False, "ZeroDivisionError: division by zero")]


def test_the_webhook_is_asked_for_and_its_secret_kept(general: Any, harbour: Harbour) -> None:
    account = connected(general)
    assert examining.see_to_webhook(account) == HookState.ON
    account.refresh_from_db()
    assert harbour.hooks["quay"].endswith(f"/hooks/harbour/{account.hook_key}/")
    assert account.credentials["hook_secret"] == "hook-secret"
    assert account.hook_checked_at is not None


def test_an_address_that_nobody_reaches_is_told(general: Any, harbour: Harbour, settings: Any) -> None:
    settings.CHANNEL_URLS = {}
    account = connected(general)
    assert examining.see_to_webhook(account) == HookState.OFF
    assert "PUBLIC_URL" in account.hook_text
    assert harbour.calls == []


def test_by_hand_the_address_and_what_goes_with_it_are_shown(
    signed_in: Any, ada: Any, general: Any, harbour: Harbour, monkeypatch: Any
) -> None:
    monkeypatch.setattr(HarbourConnector, "subscribes", False)
    monkeypatch.setattr(
        HarbourConnector, "hook_copied", lambda self, account: [("Verify token", "verify-me")]
    )
    account = connected(general)
    told = signed_in(ada).post(url("channel-webhook", account.pk)).content.decode()
    account.refresh_from_db()
    assert f"/hooks/harbour/{account.hook_key}/" in told and "verify-me" in told
    assert account.hook_state == HookState.BY_HAND


def test_a_platform_that_refuses_the_webhook_is_told(general: Any, harbour: Harbour) -> None:
    harbour.fail(403, {"error": "no"}, path="/hooks/")
    account = connected(general)
    assert examining.see_to_webhook(account) == HookState.OFF
    assert "403" in account.hook_text


def test_tokens_and_webhooks_are_looked_after_once_a_day(
    general: Any, harbour: Harbour, monkeypatch: Any, time_machine: Any
) -> None:
    monkeypatch.setattr(HarbourConnector, "refreshes", True)
    account = connected(general, token_expires_at=timezone.now() + timedelta(days=5))
    assert caretaking.due_accounts(timezone.now()) == [account.pk]
    assert caretaking.due_accounts(timezone.now()) == []
    caretaking.look_after(account.pk)
    account.refresh_from_db()
    assert account.credentials["access_token"] == "token-2"
    assert account.hook_state == HookState.ON
    time_machine.move_to(timezone.now() + timedelta(hours=25))
    assert caretaking.due_accounts(timezone.now()) == [account.pk]


# Secrets


def test_credentials_are_nowhere_to_be_read(
    signed_in: Any, ada: Any, general: Any, harbour: Harbour, caplog: Any
) -> None:
    from tests.api import Caller

    caplog.set_level("DEBUG")
    browser = signed_in(ada)
    come_back(browser, begin(browser, general))
    grant = LoginGrant.objects.get()
    choose = browser.get(url("channel-choose", grant.pk)).content.decode()
    browser.post(url("channel-choose", grant.pk), {**form(general), "chosen": ["quay"]})
    account = ChannelAccount.objects.get()
    connecting.change_account(
        account=account, name="x", cleaned={"api_token": "typed-token"}, team=general, brand=None,
        goal_minutes=60, by=ada,
    )  # fmt: skip
    examining.see_to_webhook(account)
    pages = [choose, repr(account.credentials), repr(grant.offers), str(vars(account)), caplog.text]
    for name in OF_AN_ACCOUNT:
        pages.append(browser.get(url(name, account.pk)).content.decode())
    caller = Caller(ada)
    pages.append(caller.get(f"channel-accounts/{account.pk}/").content.decode())
    pages.append(caller.get("channel-accounts/").content.decode())
    pages.append(json.dumps(list(AuditEntry.objects.values()), default=str))
    for secret in ("token-1", "typed-token", "hook-secret", SECRET):
        assert not any(secret in page for page in pages), secret
    assert 'placeholder="stored"' in browser.get(url("channel-edit", account.pk)).content.decode()


def report_of(account: ChannelAccount) -> str:
    """What an error report says of a function that works with credentials."""
    try:
        credentials, offer = account.credentials, Offer("quay", "Quay", credentials=account.credentials)
        raise RuntimeError(f"{len(credentials)} lost at {offer.name}")
    except RuntimeError:
        reporter = ExceptionReporter(None, *sys.exc_info())
    return f"{reporter.get_traceback_text()}{reporter.get_traceback_html()}"


def test_an_error_report_holds_no_credentials(general: Any, harbour: Harbour) -> None:
    secret = uuid4().hex
    report = report_of(connected(general, credentials={"access_token": secret}))
    assert "secret: access_token" in report
    assert secret not in report


def test_the_list_takes_the_same_statements_for_one_and_for_many(
    signed_in: Any, ada: Any, general: Any, harbour: Harbour
) -> None:
    browser = signed_in(ada)
    connected(general)
    browser.get(url("channel-list"))
    with CaptureQueriesContext(
        connection,
    ) as one:
        browser.get(url("channel-list"))
    for number in range(8):
        connected(general, external_id=f"quay{number}")
    with CaptureQueriesContext(connection) as many:
        browser.get(url("channel-list"))
    assert len(one) == len(many)


# Every network


OFFERED = [name for name in BUILT_IN if is_offered(connector(name))]


@pytest.mark.parametrize("name", OFFERED)
def test_each_network_has_its_pages(signed_in: Any, ada: Any, general: Any, name: str) -> None:
    browser, link = signed_in(ada), connector(name)
    needs = browser.get(url("channel-needs", name))
    assert needs.status_code == 200
    assert link.label in needs.content.decode()
    assert "r-document" in needs.content.decode(), "nothing is written about it"
    assert browser.get(url("channel-connect", name)).status_code == 200
    account = ChannelAccount.objects.create(
        connector=name, network=(link.networks or ("x",))[0], external_id="acme", name="Acme", team=general
    )
    for page in OF_AN_ACCOUNT:
        assert browser.get(url(page, account.pk)).status_code == 200, page


@pytest.mark.parametrize("name", OFFERED)
def test_each_network_says_what_it_is_for(name: str) -> None:
    link = connector(name)
    assert link.about
    assert link.reconciles or link.why_not_compared
    assert all(reason.strip() for reason in link.scopes.values())
    assert not link.logs_in or link.needs
