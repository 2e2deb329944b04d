"""The page behind a signed link: whose it is, what it shows, what it never does, and mails that ask."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import signing
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Team
from config.logs import hide_signed_links
from core import about_you
from core.about_you import Line, Part
from crm.consent_requests import AGAIN_AFTER, ask_for_consent, confirm
from crm.consents import ConsentIn, effective_consent, record_consents
from crm.merging import merge_customers, move_identity, undo_merge
from crm.models import Consent, ConsentRequest, Customer, CustomerNote, Identity, Task
from crm.preferences import limits
from crm.preferences.links import (
    CONFIRM_LIFE,
    PAGE_LIFE,
    LinkEnded,
    confirm_url,
    end_page_links,
    make_page_link,
    unsubscribe_headers,
    unsubscribe_url,
)
from crm.profiling import refuse_profiling
from engagement import outbox
from engagement.models import ContactLedger, Conversation, Delivery, Interaction
from tests.api import Caller, errors
from tests.crm.test_consents import of, person
from tests.engagement.desk import DoubleConnector, double, general, make_account

__all__ = ["double", "general"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engagement.tasks.send_delivery.delay", lambda pk: None)


@pytest.fixture
def eva(db: None) -> Customer:
    return person("Eva Marín", email="eva@example.org", phone="+3225550100")


@pytest.fixture
def mailbox(double: type[DoubleConnector], general: Team, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A connected mailbox that keeps what it sends."""
    monkeypatch.setattr(DoubleConnector, "max_length", 20_000)
    account = make_account(general, name="Hello")
    account.network = "email"
    account.save()
    return account


@pytest.fixture
def link(eva: Customer, amy: Any) -> str:
    return path_of(make_page_link(identity=of(eva, "email"), by=amy).url)


def path_of(url: str) -> str:
    return "/p/" + url.partition("/p/")[2]


def boxes(answer: Any) -> tuple[str, set[str]]:
    """The mark of a page, and the names of the boxes that are on."""
    page = answer.content.decode()
    seen = re.search(r'name="seen" value="(\d+)"', page)
    assert seen is not None
    on = re.findall(r'name="on" value="([^"]+)" checked', page)
    return seen.group(1), set(on)


# Whose page it is


def test_the_page_opens_without_signing_in_and_leaves_no_trace(link: str, eva: Customer) -> None:
    answer = Client().get(link)
    assert answer.status_code == 200 and "Eva Marín" in answer.content.decode()
    assert not answer.cookies
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "noindex" in answer["X-Robots-Tag"] and "no-store" in answer["Cache-Control"]
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert not Consent.objects.exists() and not Task.objects.exists()


@pytest.mark.parametrize("change", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), lambda t: "x" * 40])
def test_a_forged_link_opens_nothing(change: Callable[[str], str], link: str) -> None:
    token = link.strip("/").split("/")[-1]
    assert Client().get(f"/p/{change(token)}/").status_code == 404


def test_a_link_made_for_one_end_serves_no_other(eva: Customer, mailbox: Any) -> None:
    url = path_of(unsubscribe_url(of(eva, "email"), "marketing"))
    token = url.strip("/").split("/")[-1]
    assert Client().get(f"/p/{token}/").status_code == 404
    asked = ask_for_consent(identity=of(eva, "email"), purpose="marketing", source="form")
    assert Client().get(path_of(confirm_url(asked)).replace("confirm/", "")).status_code == 404
    own = signing.TimestampSigner(salt="elsewhere", sep=".").sign_object([of(eva, "email").pk, 0])
    assert Client().get(f"/p/{own}/").status_code == 404


def test_a_link_ends_with_its_days(link: str) -> None:
    with time_machine.travel(timezone.now() + PAGE_LIFE - timedelta(minutes=1), tick=False):
        assert Client().get(link).status_code == 200
    with time_machine.travel(timezone.now() + PAGE_LIFE + timedelta(minutes=1), tick=False):
        assert Client().get(link).status_code == 410


def test_links_that_were_ended_open_no_more_and_new_ones_do(link: str, eva: Customer, amy: Any) -> None:
    assert end_page_links(customer=eva, by=amy) == 2
    assert Client().get(link).status_code == 410
    assert Client().post(link + "nothing-more/").status_code == 410
    new = make_page_link(identity=of(eva, "email"), by=amy)
    assert Client().get(path_of(new.url)).status_code == 200
    assert not Consent.objects.exists()


def test_a_link_ends_when_its_handle_goes_to_somebody_else(link: str, eva: Customer, amy: Any) -> None:
    move_identity(identity=of(eva, "email"), to=person("Bert Berg", x="bert"), by=amy)
    assert Client().get(link).status_code == 410


def test_a_link_follows_its_identity_through_a_merge_and_back(link: str, eva: Customer, amy: Any) -> None:
    whole = person("Eva of the shop", instagram="eva.l")
    record = merge_customers(keep=whole, drop=eva, by=amy)
    assert "Eva of the shop" in Client().get(link).content.decode()
    undo_merge(record=record, by=amy)
    page = Client().get(link).content.decode()
    assert "Eva Marín" in page and "Eva of the shop" not in page


def test_the_token_stands_in_no_log(link: str, caplog: pytest.LogCaptureFixture) -> None:
    token = link.strip("/").split("/")[-1]
    with caplog.at_level(logging.DEBUG):
        Client().get(f"/p/{token[:-2]}zz/")
    said = [record.getMessage() for record in caplog.records if token[:-2] in record.getMessage()]
    assert said, "Django logs the address of a page that is not found"
    shown = [hide_signed_links(None, "", {"event": text, "more": {"path": [text]}}) for text in said]
    assert token[:20] not in str(shown) and "/p/…" in str(shown)


# What it shows


def test_other_handles_are_masked_and_no_note_nor_staff_is_shown(link: str, eva: Customer, amy: Any) -> None:
    eva.note = "Difficult. Ask Amy."
    eva.origins = {"city": {"source": "staff", "at": timezone.now().isoformat(), "by": amy.pk}}
    eva.city, eva.owner = "Lyon", amy
    eva.save()
    CustomerNote.objects.create(text="Secret", customer=eva, home_customer=eva, author=amy)
    person("Max Other", email="max@example.org")
    page = Client().get(link).content.decode()
    assert "eva@example.org" in page and "+3225550100" not in page and "••• 00" in page
    assert "Lyon" in page and "Written down by one of us" in page
    for hidden in ("Difficult", "Secret", "Amy", "Max", "max@"):
        assert hidden not in page


def test_each_app_tells_its_part_with_the_reason(link: str, eva: Customer, monkeypatch: Any) -> None:
    monkeypatch.setitem(
        about_you._parts, "x", Part("Stars", lambda pk: [Line(f"Customer {pk} <b>", "By the stars")], 1)
    )
    page = Client().get(link).content.decode()
    assert f"Customer {eva.pk} &lt;b&gt;" in page and "By the stars" in page


# What it changes


def test_boxes_that_changed_are_written_down_with_proof(link: str, eva: Customer) -> None:
    mail, browser = of(eva, "email"), Client(REMOTE_ADDR="203.0.113.77")
    seen, on = boxes(browser.get(link))
    wanted = {*on, f"{mail.pk}-marketing"} - {f"{mail.pk}-profiling"}
    answer = browser.post(link + "choices/", {"seen": seen, "on": sorted(wanted)})
    assert (answer.status_code, answer["Location"]) == (302, f"{link}?done=saved")
    assert effective_consent(mail, "marketing") is True
    eva.refresh_from_db()
    assert eva.profiling_refused
    assert Consent.objects.count() == 2
    given = Consent.objects.get(purpose="marketing")
    assert given.source == "customer"
    assert "203.0.113.0/24" in given.proof and "203.0.113.77" not in given.proof
    assert boxes(browser.get(link))[1] == wanted


def test_a_picture_that_staff_switched_off_is_off_on_the_page_and_can_be_allowed(link, eva, amy) -> None:
    refuse_profiling(customer=eva, source="staff", by=amy)
    box = f"{of(eva, 'email').pk}-profiling"
    seen, on = boxes(Client().get(link))
    assert box not in on
    Client().post(link + "choices/", {"seen": seen, "on": [*on, box]})
    eva.refresh_from_db()
    assert not eva.profiling_refused and box in boxes(Client().get(link))[1]


@pytest.mark.parametrize("seen", ["", "²", "-1", "9" * 5000])
def test_a_mark_that_no_page_had_changes_nothing(link: str, seen: str) -> None:
    assert Client().post(link + "choices/", {"seen": seen, "on": []}).status_code == 422
    assert not Consent.objects.exists()


def test_saving_what_stands_there_writes_nothing(link: str) -> None:
    seen, on = boxes(Client().get(link))
    answer = Client().post(link + "choices/", {"seen": seen, "on": sorted(on)})
    assert answer["Location"].endswith("?done=nothing")
    assert not Consent.objects.exists()


def test_a_page_that_is_too_old_changes_nothing(link: str, eva: Customer) -> None:
    mail = of(eva, "email")
    record_consents([ConsentIn(mail.pk, "marketing", True)], source="test")
    seen, on = boxes(Client().get(link))
    record_consents([ConsentIn(mail.pk, "marketing", False, whole_person=True)], source="staff")
    answer = Client().post(link + "choices/", {"seen": seen, "on": sorted(on)})
    assert answer.status_code == 422
    assert effective_consent(mail, "marketing") is False


def test_what_needs_a_yes_is_turned_on_only_where_the_link_was_sent(link: str, eva: Customer) -> None:
    phone = of(eva, "phone")
    seen, on = boxes(Client().get(link))
    Client().post(link + "choices/", {"seen": seen, "on": [*on, f"{phone.pk}-marketing", "999-marketing"]})
    assert effective_consent(phone, "marketing") is None
    record_consents([ConsentIn(phone.pk, "marketing", True)], source="test")
    seen, on = boxes(Client().get(link))
    assert f"{phone.pk}-marketing" in on
    Client().post(link + "choices/", {"seen": seen, "on": sorted(on - {f"{phone.pk}-marketing"})})
    assert effective_consent(phone, "marketing") is False


def test_no_to_everything_is_for_the_whole_person_and_those_to_come(link: str, eva: Customer) -> None:
    Client().post(link + "nothing-more/")
    later = Identity.objects.create(network="x", external_id="eva", customer=eva, home_customer=eva)
    for identity in (of(eva, "email"), of(eva, "phone"), later):
        assert effective_consent(identity, "marketing") is False
        assert effective_consent(identity, "service") is None


def test_a_customers_language_beats_every_machine(link: str, eva: Customer) -> None:
    assert Client().post(link + "language/", {"language": "nl"}).status_code == 302
    eva.refresh_from_db()
    assert eva.language == "nl" and eva.origins["language"]["source"] == "customer"
    assert Client().post(link + "language/", {"language": "klingon"}).status_code == 422


def test_wishes_become_one_task_each_for_who_looks_after_them(link: str, eva: Customer, amy: Any) -> None:
    Customer.objects.filter(pk=eva.pk).update(owner=amy)
    assert Client().post(link + "erasure/").status_code == 422
    assert not Task.objects.exists()
    for _twice in range(2):
        assert Client().post(link + "erasure/", {"sure": "1"}).status_code == 200
        assert Client().post(link + "copy/").status_code == 200
    tasks = Task.objects.filter(customer=eva)
    assert tasks.count() == 2 and {task.assignee for task in tasks} == {amy}
    assert all(task.due_on and task.created_by is None for task in tasks)
    assert AuditEntry.objects.filter(verb="privacy.asked").count() == 2
    assert Client().post(link + "gold/").status_code == 404


@pytest.mark.parametrize("what", ["choices", "nothing-more", "language", "copy", "erasure"])
def test_getting_a_form_changes_nothing(what: str, link: str) -> None:
    assert Client().get(f"{link}{what}/", {"sure": "1", "language": "nl"}).status_code == 405
    assert not Consent.objects.exists() and not Task.objects.exists()


def test_one_address_is_held_back_and_others_are_not(link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "READS", 2)
    one, other = Client(REMOTE_ADDR="203.0.113.7"), Client(REMOTE_ADDR="203.0.113.8")
    assert [one.get(link).status_code for _ in range(3)] == [200, 200, 429]
    assert other.get(link).status_code == 200


# Staff make and end links


def test_those_who_may_edit_make_and_end_links(eva, amy, vic, anonymous, signed_in) -> None:
    make, end = reverse("crm:page-link", args=[eva.pk]), reverse("crm:page-links-end", args=[eva.pk])
    given = {"identity": of(eva, "email").pk}
    assert anonymous.post(make, given).status_code == 302
    assert signed_in(vic).post(make, given).status_code == 403
    assert signed_in(vic).post(end).status_code == 403
    answer = signed_in(amy).post(make, given)
    url = re.search(r'value="(http[^"]+)"', answer.content.decode())
    assert url is not None and Client().get(path_of(url.group(1))).status_code == 200
    assert AuditEntry.objects.get(verb="page_link.made").actor == amy
    signed_in(amy).post(end)
    assert Client().get(path_of(url.group(1))).status_code == 410


def test_links_over_the_api(ada: Any, vic: Any, eva: Customer) -> None:
    caller, path = Caller(ada), f"customers/{eva.pk}/page-link/"
    made = caller.post(path, {"identity": of(eva, "email").pk})
    assert made.status_code == 201
    assert Client().get(path_of(made.json()["url"])).status_code == 200
    assert Caller(vic, maker=ada).post(path, {"identity": of(eva, "email").pk}).status_code == 403
    stranger = person(email="max@example.org")
    assert errors(caller.post(path, {"identity": of(stranger, "email").pk})) == [
        ("does_not_exist", "identity")
    ]
    assert caller.delete(path).status_code == 204
    assert Client().get(path_of(made.json()["url"])).status_code == 410


# Asking by mail


@pytest.fixture
def asked(eva: Customer, mailbox: Any, amy: Any) -> ConsentRequest:
    return ask_for_consent(identity=of(eva, "email"), purpose="marketing", source="staff", by=amy)


def test_the_question_goes_out_by_the_outbox_with_a_link_that_staff_do_not_see(
    asked: ConsentRequest, double: type[DoubleConnector], eva: Customer
) -> None:
    delivery = Delivery.objects.get()
    outbox.sweep(seconds=5)
    (sent,) = double.sent
    assert sent.to[0].external_id == "eva@example.org"
    token = path_of(confirm_url(asked)).split("/")[3].split(".")[0]
    assert f"/p/confirm/{token}" in sent.text and "please confirm" in sent.subject
    message = Interaction.objects.get()
    assert "/p/confirm/" not in message.text and message.is_automatic
    conversation = Conversation.objects.get()
    assert (conversation.status, conversation.customer, conversation.assignee) == ("resolved", eva, None)
    assert ContactLedger.objects.get(delivery=delivery).origin == "service"
    assert effective_consent(of(eva, "email"), "marketing") is None


def test_getting_the_link_never_confirms_and_the_button_does(asked: ConsentRequest, eva: Customer) -> None:
    browser, url, mail = Client(REMOTE_ADDR="2001:db8:1:2::7"), path_of(confirm_url(asked)), of(eva, "email")
    for _scanner in range(3):
        assert browser.get(url).status_code == 200
        assert browser.head(url).status_code in (200, 405)
    assert effective_consent(mail, "marketing") is None
    assert browser.post(url).status_code == 200
    assert effective_consent(mail, "marketing") is True
    consent = Consent.objects.get()
    assert consent.source == "double opt-in"
    assert f"request {asked.pk}" in consent.proof and "News and offers" in consent.proof
    assert "2001:db8:1::/48" in consent.proof and "2001:db8:1:2::7" not in consent.proof
    mail.refresh_from_db()
    assert mail.verified
    assert browser.post(url).status_code == 200
    assert Consent.objects.count() == 1


def test_a_question_lapses(asked: ConsentRequest, eva: Customer) -> None:
    url = path_of(confirm_url(asked))
    with time_machine.travel(timezone.now() + CONFIRM_LIFE + timedelta(minutes=1), tick=False):
        assert Client().post(url).status_code == 410
        with pytest.raises(LinkEnded):
            confirm(asked, wording="x", place="")
    assert not Consent.objects.exists()


def test_they_are_asked_at_most_once_a_day(asked: ConsentRequest, eva: Customer, amy: Any) -> None:
    mail = of(eva, "email")
    with pytest.raises(ValidationError, match="within the last day"):
        ask_for_consent(identity=mail, purpose="marketing", source="staff", by=amy)
    with time_machine.travel(timezone.now() + AGAIN_AFTER + timedelta(minutes=1), tick=False):
        again = ask_for_consent(identity=mail, purpose="marketing", source="staff", by=amy)
    assert again.pk == asked.pk and Delivery.objects.count() == 2


def test_what_cannot_be_asked_is_refused(eva: Customer, mailbox: Any, amy: Any) -> None:
    def ask(network: str, purpose: str) -> None:
        ask_for_consent(identity=of(eva, network), purpose=purpose, source="staff", by=amy)

    for network, purpose in (("phone", "marketing"), ("email", "calls"), ("email", "service")):
        with pytest.raises(ValidationError):
            ask(network, purpose)
    record_consents([ConsentIn(of(eva, "email").pk, "marketing", True)], source="test")
    with pytest.raises(ValidationError, match="allowed already"):
        ask("email", "marketing")
    assert not Delivery.objects.exists()


def test_without_a_mailbox_staff_are_told_and_nothing_is_written(eva: Customer, amy: Any, signed_in) -> None:
    url = reverse("crm:consent-ask", args=[eva.pk])
    given = {"identity": of(eva, "email").pk, "purpose": "marketing"}
    answer = signed_in(amy).post(url, given, follow=True)
    assert "Connect a mailbox first" in answer.content.decode()
    assert not ConsentRequest.objects.exists()


def test_those_who_may_edit_ask(eva, mailbox, amy, vic, signed_in) -> None:
    url = reverse("crm:consent-ask", args=[eva.pk])
    given = {"identity": of(eva, "email").pk, "purpose": "marketing", "mailbox": mailbox.pk}
    assert signed_in(vic).post(url, given).status_code == 403
    assert not ConsentRequest.objects.exists()
    assert signed_in(amy).post(url, given).status_code == 302
    assert ConsentRequest.objects.get().identity == of(eva, "email")


def test_asking_over_the_api(ada: Any, eva: Customer, mailbox: Any) -> None:
    caller, path = Caller(ada), f"customers/{eva.pk}/consents/ask/"
    body = {"identity": of(eva, "email").pk, "purpose": "marketing"}
    assert caller.post(path, body).status_code == 202
    assert errors(caller.post(path, body)) == [("lately", None)]


# No more


def test_one_click_of_a_mail_program_says_no(eva: Customer) -> None:
    mail = of(eva, "email")
    record_consents([ConsentIn(mail.pk, "marketing", True)], source="test")
    headers = unsubscribe_headers(mail, "marketing")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    url = path_of(headers["List-Unsubscribe"].strip("<>"))
    assert Client().get(url).status_code == 200
    assert effective_consent(mail, "marketing") is True
    assert Client().post(url, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert effective_consent(mail, "marketing") is False
    assert Consent.objects.order_by("-pk")[0].source == "one-click unsubscribe"
    Client().post(url)
    assert Consent.objects.count() == 2


def test_an_old_mail_still_unsubscribes(eva: Customer) -> None:
    url = path_of(unsubscribe_url(of(eva, "email"), "survey"))
    with time_machine.travel(timezone.now() + timedelta(days=2000), tick=False):
        assert Client().post(url).status_code == 200
    assert effective_consent(of(eva, "email"), "survey") is False


# Signing up


@pytest.fixture
def sign_up(settings: Any, mailbox: Any) -> Iterator[Callable[..., Any]]:
    settings.SIGN_UP = True
    yield lambda **given: Client().post("/p/sign-up/", given)


def test_signing_up_asks_by_mail_and_tells_strangers_nothing(
    sign_up: Callable[..., Any], eva: Customer
) -> None:
    known = sign_up(email="Eva@Example.org ")
    new = sign_up(email="new@example.org\0")
    again = sign_up(email="new@example.org")
    assert known.content == new.content == again.content
    assert ConsentRequest.objects.count() == Delivery.objects.count() == 2
    assert not Consent.objects.exists()
    assert Identity.objects.get(external_id="new@example.org").source == "sign-up form"


def test_a_program_and_a_typing_mistake_make_nothing(sign_up: Callable[..., Any]) -> None:
    assert sign_up(email="eva@example.org", website="http://spam.example").status_code == 200
    assert sign_up(email="eva").status_code == 422
    assert not Identity.objects.exists() and not Delivery.objects.exists()


def test_an_address_longer_than_a_name_may_be_is_asked(sign_up: Callable[..., Any]) -> None:
    address = f"{'x' * 250}@example.org"
    assert sign_up(email=address).status_code == 200
    assert Customer.objects.get().name == address[:200] and Identity.objects.get().external_id == address


def test_one_address_signs_up_only_so_often(sign_up: Callable[..., Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(limits, "SIGN_UPS", 2)
    got = [sign_up(email=f"p{n}@example.org").status_code for n in range(3)]
    assert got == [200, 200, 429]


def test_signing_up_is_closed_unless_the_installation_opens_it(mailbox: Any) -> None:
    assert Client().get("/p/sign-up/").status_code == 404
    assert Client().post("/p/sign-up/", {"email": "eva@example.org"}).status_code == 404
