"""What is new in a mail, its HTML made safe, and its text."""

from __future__ import annotations

import time

import pytest

from engagement.channels.email.access import words
from engagement.channels.email.html import clean_html, shown_html
from engagement.channels.email.plain import html_of, text_of
from engagement.channels.email.quoting import bare_subject, split_quoted

ON_WROTE = "On Mon, 2 Mar 2026 at 10:00, Shop <shop@example.com> wrote:"


@pytest.mark.parametrize(
    ("text", "new", "old"),
    [
        (f"Works now.\n\n{ON_WROTE}\n> Hello Bob\n> try this", "Works now.", "Hello Bob"),
        (f"{ON_WROTE}\n> Hello Bob\n\nDoes not help", "Does not help", "Hello Bob"),
        ("Hi\n> first?\nyes\n> second?\nno", "Hi\nyes\nno", "second?"),
        ("Danke!\n\nAm 2. März 2026 um 10:00 schrieb Shop <s@example.com>:\n\n> Hallo", "Danke!", "Hallo"),
        ("See below.\n\nFrom: Shop\nSent: Monday\nTo: Bob\nSubject: Re: x\n\nHello", "See below.", "Hello"),
        ("Ok\n\n-----Original Message-----\nFrom: Shop\nSent: M\nTo: B\nSubject: z\n\nold", "Ok", "old"),
        ("Yes\n\nOn Mon, Mar 2, 2026 at 10:00 Shop\n<shop@example.com> wrote:\n\n> Hello", "Yes", "Hello"),
    ],
)
def test_new_words_are_parted_from_quoted_ones(text, new, old):
    split = split_quoted(text)
    assert split.text == new
    assert old in split.quoted


@pytest.mark.parametrize(
    "text",
    [
        "Just words\n\nin two paragraphs",
        "> only\n> quotation",
        "I need:\n- one\n- two\nFrom: me to you\nThanks,\nand one more",
        "Hello\n\n-- \nBob\nBob's Bikes",
    ],
)
def test_without_quotation_the_whole_text_is_new(text):
    assert split_quoted(text).text == text
    assert split_quoted(text).quoted == ""


def test_a_forwarded_mail_is_new_as_a_whole():
    text = f"What is this?\n\n{ON_WROTE}\n> You won"
    assert split_quoted(text, subject="Fwd: You won").text == text


@pytest.mark.parametrize(
    "text",
    ["On " * 20_000, "From: a\n" * 20_000, "> " * 50_000, "Thanks,\n" * 9_000, " \n" * 50_000, "_" * 100_000],
)
def test_odd_texts_are_parted_quickly(text):
    split_quoted("On x wrote:\n> y")
    start = time.perf_counter()
    split_quoted(text)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("subject", "bare"),
    [
        ("Re: Fwd: AW: My parcel", "my parcel"),
        ("RE[2]:  My   parcel", "my parcel"),
        ("My parcel", "my parcel"),
        ("Rerun: the show", "rerun: the show"),
        ("", ""),
    ],
)
def test_subjects_are_compared_without_prefixes(subject, bare):
    assert bare_subject(subject) == bare


# HTML


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='data:text/html,<script>1</script>'>x</a>",
        "<iframe src='https://evil.example'></iframe>",
        "<form action='https://evil.example'><input name=a></form>",
        "<svg><script>alert(1)</script></svg>",
        "<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>",
        "<style>@import 'https://evil.example/x.css'</style>",
        "<link rel=stylesheet href='https://evil.example/x.css'>",
        "<meta http-equiv=refresh content='0;url=https://evil.example'>",
        "<base href='https://evil.example/'>",
        "<body background='https://evil.example/x.png' onload=alert(1)>x</body>",
        "<video poster='https://evil.example/x.png'></video>",
        "<img srcset='https://evil.example/x.png 2x'>",
        "<p style='background:url(https://evil.example/x.png)'>x</p>",
        "<p style='background-image:u\\72l(https://evil.example/x)'>x</p>",
        "<p style='position:fixed;top:0'>x</p>",
        "<img src='data:image/svg+xml;base64,PHN2Zy8+'>",
    ],
)
def test_nothing_in_a_mail_runs_loads_or_leaves_its_frame(html):
    safe = clean_html(html).lower()
    for sign in ("script", "onerror", "onload", "evil.example", "<iframe", "<form", "<style", "fixed", "svg"):
        assert sign not in safe


def test_remote_pictures_wait_for_a_click():
    safe = clean_html('<p>Hi</p><img alt=">" src="https://shop.example/p.png?a=1&amp;b=2" width="10">')
    assert " src=" not in safe
    assert " src=" not in shown_html(safe, {}, remote=False)
    shown = shown_html(safe, {}, remote=True)
    assert ' src="https://shop.example/p.png?a=1&amp;b=2" referrerpolicy="no-referrer"' in shown


def test_pictures_of_the_mail_itself_are_put_in():
    safe = clean_html('<img src="CID:Logo%401">')
    assert ' src="/files/7?a=1&amp;b=2"' in shown_html(safe, {"logo@1": "/files/7?a=1&b=2"}, remote=False)
    assert "src=" not in shown_html(safe, {}, remote=True)


def test_words_that_look_like_a_picture_stay_words():
    text = """<p>write src="https://shop.example/" or data-src="x"</p>"""
    assert "shop.example" in clean_html(text)
    assert "<img" not in shown_html(clean_html(text), {}, remote=True)


def test_a_picture_inside_the_html_is_kept_and_links_open_elsewhere():
    safe = clean_html('<img src="data:image/png;base64,AAAA"><a href="https://shop.example">x</a>')
    assert 'src="data:image/png;base64,AAAA"' in safe
    assert 'target="_blank"' in safe and "noopener" in safe and "noreferrer" in safe


def test_styles_without_loading_are_kept():
    assert 'style="color:red"' in clean_html('<p style="color: red; behavior: x">x</p>')


def test_text_of_html_reads_like_the_mail():
    html = (
        "<html><head><title>t</title><style>p{}</style></head><body><p>Hello&nbsp;Bob,</p>"
        "<ul><li>one</li><li>two</li></ul><table><tr><td>a</td><td>b</td></tr></table>"
        "<blockquote>old<blockquote>older</blockquote></blockquote></body></html>"
    )
    text = text_of(html)
    assert text.startswith("Hello Bob,")
    assert "- one\n" in text and "a b" in text
    assert "> old" in text and "> > older" in text
    assert "p{}" not in text
    assert "old" not in split_quoted(text).text


def test_our_own_html_shows_the_text():
    assert html_of("a < b\nline\n\nnext") == (
        "<!doctype html><html><body><p>a &lt; b<br>line</p><p>next</p></body></html>"
    )


@pytest.mark.parametrize(
    "read",
    [
        lambda: text_of("<p>Hello</p>" + "<a " * 100_000),
        lambda: text_of("<p>Hello</p>" + "<!--" * 200_000),
        lambda: text_of("<p>Hello</p>" + "<a x='" + '<b y="' * 100_000),
        lambda: split_quoted("Hello\n" + "schrieb " * 20 + " " * 200_000 + "x").text[:5],
        lambda: split_quoted("Hello\n" + "schrieb" + ":" * 700 + " " * 100_000 + "x").text[:5],
        lambda: bare_subject("Re:" * 200_000 + "Hello") and "Hello",
    ],
)
def test_no_letters_cost_a_worker_its_time(read):
    """Patterns and parsers that begin anew at every letter take minutes for one mail of a stranger."""
    began = time.process_time()
    assert read().startswith("Hello")
    assert time.process_time() - began < 2


def test_what_follows_a_tag_that_never_ends_is_read():
    broken = "<p>Hello</p><!-- " + "x " * 2000 + "<p>more</p><blockquote>old</blockquote>"
    assert text_of(broken).startswith("Hello")
    assert "Bob" in text_of("<p>Hello</p>" + "<p>Bob</p>" * 1000 + "<a ")


def test_what_a_server_says_is_told_as_it_said_it() -> None:
    assert words(OSError(b"[AUTHENTICATIONFAILED] No such user")) == "[AUTHENTICATIONFAILED] No such user"
    assert words(OSError("b'[AUTHENTICATIONFAILED] No such user'")) == "[AUTHENTICATIONFAILED] No such user"
    assert words(OSError("")) == "OSError"
