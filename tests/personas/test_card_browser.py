"""The card in a real browser: on every width, by axe, on paper, and written on in place."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from core.jobs import run_job
from core.models import Workspace
from crm.orders import store_orders
from personas.authoring import add_note, edit_persona
from personas.models import Persona, PersonaDay, PersonaNote
from personas.nightly import start_rebuild
from personas.sharing import share_persona, share_token
from tests.accessibility import is_well
from tests.crm.orders import order
from tests.personas.test_card_shares import CARD, words

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
A_LINE = "First what you will do and by when, then why it happened at all."


@pytest.fixture
def persona(mia: Any, monkeypatch: pytest.MonkeyPatch) -> Persona:
    """A card as full as a usual one: computed of fifteen buyers, with words, notes and quotes."""
    monkeypatch.setattr("core.jobs._enqueue", lambda pk, kind: None)
    store_orders("shop", [order(f"{n}-{turn}", buyer=f"b{n}") for n in range(15) for turn in range(3)])
    run_job(start_rebuild(by=mia, enqueue=False).pk)
    persona = Persona.objects.filter(is_active=True, members__gte=10).first()
    assert persona is not None
    told = {
        "summary": "They brew one careful cup before the day begins, and teach others what they learn. " * 3,
        "goals": "The same good cup every morning, on purpose\nTo understand why\nParts, not products",
        "motivations": "Being good at something quiet\nA kitchen that is theirs",
        "pains": "Advice that contradicts itself\nParcels left in the rain",
        "how_to_speak": f"Degrees, grams, seconds.\n{A_LINE}\nAsk what they tried.\n- No emoji rows.",
    }
    persona = edit_persona(persona=persona, words=told, seen=0, by=mia)
    for part in ("who", "speak", "value"):
        add_note(
            persona=persona, part=part, text="Found in talks at the fair.", source="Talks, n = 84", by=mia
        )
    quote = words("I calibrated it twice. Please stop sending me the help page, and read what I wrote.")
    reply = {**quote, "seconds": 540}
    full = {"complaints": [quote] * 2, "glad": [quote], "replies": [reply] * 2, "topics": CARD["topics"],
            "hurts": CARD["hurts"] * 4, "reasons": CARD["reasons"] * 4, "replied": CARD["replied"],
            "networks": {"shares": [{"network": name, "share": 0.2, "n": 9} for name in ("email", "instagram",
             "phone", "x", "facebook")], "base": 45, "days": 90}}  # fmt: skip
    persona.card |= full
    persona.save(update_fields=["card"])
    today = Workspace.current().today()
    for days in range(1, 40):
        day = {
            "day": today - timedelta(days=days),
            "members": 40 - days,
            "share": 0.2,
            "value_365": 300 + days,
        }
        PersonaDay.objects.create(persona=persona, sentiment=0.4, **day)
    return persona


def paths(persona: Persona, mia: Any) -> list[str]:
    share = share_persona(persona=persona, label="The agency", days=7, by=mia)
    own = [f"/personas/{persona.pk}/", f"/personas/{persona.pk}/edit/", f"/personas/{persona.pk}/shares/"]
    return [*own, f"/shared/personas/{share_token(share)}/", "/shared/personas/nonsense/"]


def test_pages_of_a_card_fit_and_pass_axe(
    persona: Persona, mia: Any, new_window: Callable[..., Page]
) -> None:
    window = new_window(mia)
    troubles: list[str] = []
    window.on("console", lambda told: troubles.append(told.text) if "Content Security" in told.text else None)
    for path in paths(persona, mia):
        window.goto(path)
        is_well(window, widths=(1440, 820, 390))
    assert troubles == []


CUT = """[...document.querySelectorAll(".r-sheet section, .r-sheet header, .r-sheet footer")]
    .filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.innerText.slice(0, 40))"""


def printed(window: Page, path: str) -> bytes:
    """The page as a PDF of A4, light whatever the theme, with no cell cut."""
    window.goto(path)
    window.emulate_media(media="print")
    assert window.evaluate(CUT) == [], path
    assert window.locator(".r-no-print:visible").count() == 0
    assert window.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    paper: bytes = window.pdf(prefer_css_page_size=True, print_background=True)
    sizes = {tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox\s*\[([^\]]*)\]", paper)}
    assert all(abs(box[2] - 595) < 2 and abs(box[3] - 842) < 2 for box in sizes), sizes
    window.emulate_media(media="screen")
    return paper


def pages(paper: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", paper))


def test_a_card_is_one_sheet_of_paper(persona: Persona, mia: Any, new_window: Callable[..., Page]) -> None:
    window = new_window(mia, theme="dark")
    own, _edit, _shares, shared, _gone = paths(persona, mia)
    assert [pages(printed(window, path)) for path in (own, shared)] == [1, 1]


def test_a_card_of_many_words_is_two_sheets(
    persona: Persona, mia: Any, new_window: Callable[..., Page]
) -> None:
    line = "A line of a hundred letters is about as long as one may be, and longer than anybody reads."
    told = dict.fromkeys(("goals", "motivations", "pains", "how_to_speak"), "\n".join([line] * 5))
    edit_persona(persona=persona, words=told, seen=persona.edits, by=mia)
    for part in ("who", "wants", "hurts", "reach", "speak", "value"):
        add_note(persona=persona, part=part, text=line, source="Talks at the fair, n = 84", by=mia)
    assert pages(printed(new_window(mia), f"/personas/{persona.pk}/")) == 2


def test_notes_are_written_in_place(persona: Persona, mia: Any, new_window: Callable[..., Page]) -> None:
    window = new_window(mia)
    window.goto(f"/personas/{persona.pk}/edit/")
    part = window.locator("#notes-hurts")
    part.get_by_text("Add a note").click()
    form = part.locator("form").last
    form.get_by_label("What was found").fill("Form letters")
    form.get_by_role("button", name="Add").click()
    expect(part).to_contain_text("Form letters")
    expect(part.locator('[data-from="assumed"]')).to_have_count(1)
    part.locator("summary", has_text="Form letters").click()
    opened = part.locator("details[open] form").first
    opened.get_by_label("Where it comes from").fill("Six interviews")
    opened.get_by_role("button", name="Save the note").click()
    expect(part.locator('[data-from="assumed"]')).to_have_count(0)
    part.locator("summary", has_text="Form letters").click()
    part.locator("details[open] form").first.get_by_role("button", name="Delete").click()
    expect(part).not_to_contain_text("Form letters")
    assert not PersonaNote.objects.filter(text="Form letters").exists()
    expect(window.locator("#id_goals")).to_have_value(re.compile("on purpose"))


def test_a_link_is_copied_and_opens_without_an_account(
    persona: Persona, mia: Any, new_window: Callable[..., Page]
) -> None:
    window = new_window(mia)
    window.goto(f"/personas/{persona.pk}/")
    window.get_by_role("link", name="Share").click()
    window.get_by_label("For whom").fill("Printer")
    window.get_by_role("button", name="Make the link").click()
    url = window.get_by_label("Address of the link").input_value()
    stranger = new_window()
    stranger.goto(url[url.index("/shared/") :])
    expect(stranger.locator("h1")).to_have_text(persona.name)
    assert stranger.context.cookies() == []
    window.get_by_role("button", name="Revoke").click()
    stranger.reload()
    expect(stranger.locator("h1")).to_have_text("This link opens nothing")
