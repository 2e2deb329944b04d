"""A mail's bytes become plain values, whatever a sender writes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engagement.channels.email.mime import NotAMail, decode_bytes, read_mail

MAX = 1024 * 1024


def read(raw, **more):
    return read_mail(raw, max_file=MAX, **more)


def raw(*lines, body=b"Hello"):
    return b"\r\n".join([*lines, b"", body])


def test_ids_stand_without_their_brackets():
    mail = read(
        raw(
            b"From: bob@example.org",
            b"Message-ID:  <a.1@example.org>",
            b"In-Reply-To: <b@x> <c@x>",
            b"References: <r1@x>\r\n <r2@x>",
        )
    )
    assert mail.external_id == mail.message_id == "a.1@example.org"
    assert mail.in_reply_to == ("b@x", "c@x")
    assert mail.references == ("r1@x", "r2@x")


def test_a_mail_without_message_id_is_known_by_its_hash():
    one, other = raw(b"From: bob@example.org"), raw(b"From: bob@example.org", body=b"Other")
    assert read(one).external_id == read(one).external_id
    assert read(one).external_id.startswith("sha256:")
    assert read(one).external_id != read(other).external_id


def test_an_endless_message_id_still_fits():
    mail = read(raw(b"From: bob@example.org", b"Message-ID: <" + b"x" * 5000 + b"@example.org>"))
    assert len(mail.external_id) < 100


@pytest.mark.parametrize(
    ("header", "name", "address"),
    [
        (b"From: Bob <BOB@Example.ORG>", "Bob", "bob@example.org"),
        (b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>", "Jürgen", "j@example.org"),
        (b"From: =?utf-8?b?44GC?= =?utf-8?b?44GE?= <a@example.org>", "あい", "a@example.org"),
        (b'From: "Doe, Jane" <jane@example.org>', "Doe, Jane", "jane@example.org"),
        ("From: Jürgen <j@example.org>".encode(), "Jürgen", "j@example.org"),
        ("From: Jürgen <j@example.org>".encode("latin-1"), "Jürgen", "j@example.org"),
        (b"From: =?utf-9?q?broken?= <b@example.org>", "broken", "b@example.org"),
        (b"From: =?utf-8?b?a?= <b@example.org>", "=?utf-8?b?a?=", "b@example.org"),
        (b"From: undisclosed\r\nSender: real@example.org", "", "real@example.org"),
    ],
)
def test_the_sender_is_read(header, name, address):
    sender = read(raw(header)).sender
    assert (sender.name, sender.email) == (name, address)


def test_a_mail_without_any_sender_is_refused():
    with pytest.raises(NotAMail, match="no sender"):
        read(raw(b"Subject: who am I"))


@pytest.mark.parametrize(
    ("charset", "content", "text"),
    [
        (b"utf-8", "Grüße 😀".encode(), "Grüße 😀"),
        (b"iso-8859-1", "Grüße".encode("latin-1"), "Grüße"),
        (b"us-ascii", "Grüße".encode(), "Grüße"),
        (b"us-ascii", "Grüße".encode("latin-1"), "Gr��e"),
        (b"x-unknown-42", "Grüße".encode(), "Grüße"),
        (b"x-unknown-42", "Grüße".encode("windows-1252"), "Grüße"),
        (b"utf-8", b"Gr\xff\xfee", "Gr��e"),
        (b"utf-16", b"\x00", "\x00"),
        (b"\xff\xfe", b"plain", "plain"),
        (b"shift_jis", "こんにちは".encode("shift_jis"), "こんにちは"),
    ],
)
def test_a_broken_charset_is_decoded_with_replacement(charset, content, text):
    mail = read(
        raw(
            b"From: bob@example.org",
            b"Content-Type: text/plain; charset=" + charset,
            b"Content-Transfer-Encoding: 8bit",
            body=content,
        )
    )
    assert mail.text == text.replace("\x00", "")


def test_nul_and_lone_surrogates_never_leave_the_mail():
    mail = read(
        raw(
            b"From: bob@example.org",
            b"Subject: a\x00b =?utf-8?q?=00c?=",
            b"Content-Type: text/plain; charset=utf-7",
            body=b"one\x00two +2AA-",
        )
    )
    for value in (mail.subject, mail.text):
        assert "\x00" not in value
        value.encode("utf-8")


@pytest.mark.parametrize(
    ("date", "read_as"),
    [
        (b"Mon, 2 Mar 2026 10:00:00 +0200", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        (b"Mon, 2 Mar 2026 10:00:00 -0000", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        (b"Mon, 2 Mar 20000 10:00:00 +0000", None),
        (b"yesterday", None),
        (b"", None),
    ],
)
def test_a_date_is_read_or_left_out(date, read_as):
    assert read(raw(b"From: bob@example.org", b"Date: " + date)).date == read_as


def test_text_html_and_files_are_told_apart(new_mail):
    mail = read(new_mail("Plain", html="<p>Rich</p>", files=(("a.bin", b"123"),)))
    assert (mail.text.strip(), mail.html.strip()) == ("Plain", "<p>Rich</p>")
    assert [(file.name, file.content, file.size) for file in mail.files] == [("a.bin", b"123", 3)]


def test_a_file_that_is_too_large_leaves_a_note(new_mail):
    mail = read(new_mail("See file", files=(("big.bin", b"x" * (MAX + 1)), ("small.bin", b"y"))))
    big, small = mail.files
    assert mail.text.strip() == "See file"
    assert (big.content, big.size) == (b"", MAX + 1)
    assert big.note == "Not kept: 1.0 MB, more than 1.0 MB."
    assert small.content == b"y"


def test_of_the_beginning_of_a_mail_the_text_and_the_file_names_are_kept(new_mail):
    whole = new_mail("See file", files=(("video.mov", b"x" * 200_000),))
    mail = read(whole[:50_000], cut=len(whole))
    assert mail.text.strip() == "See file"
    assert [(file.name, file.content) for file in mail.files] == [("video.mov", b"")]
    assert mail.files[0].note.startswith("Not fetched: the mail has")


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\bob\\cv.pdf", "cv.pdf"),
        ("Rechnung für März.pdf", "Rechnung für März.pdf"),
        ("a\tb.txt", "ab.txt"),
    ],
)
def test_file_names_lose_their_path(new_mail, given_name, kept):
    assert read(new_mail(files=((given_name, b"1"),))).files[0].name == kept


def test_an_attached_mail_is_one_file():
    inner = b"From: x@example.org\r\nSubject: Old one\r\n\r\nold text"
    mail = read(
        raw(
            b"From: bob@example.org",
            b'Content-Type: multipart/mixed; boundary="b"',
            body=b"--b\r\n\r\nnew text\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--b--",
        )
    )
    assert mail.text.strip() == "new text"
    assert [file.name for file in mail.files] == ["Old one.eml"]
    assert b"old text" in mail.files[0].content


def test_thousands_of_nested_parts_are_refused():
    depth = 3000
    head = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(depth)
    )
    with pytest.raises(NotAMail, match="nested too deeply"):
        read(b"From: bob@example.org\r\n" + head + b"\r\ntext")


@given(st.binary(max_size=400))
def test_any_bytes_are_a_mail_or_none(content):
    try:
        mail = read_mail(b"From: bob@example.org\r\n" + content, max_file=MAX)
    except NotAMail:
        return
    for value in (mail.subject, mail.text, mail.html, mail.external_id, *mail.in_reply_to):
        assert "\x00" not in value
        value.encode("utf-8")


@given(st.binary(max_size=100), st.text(max_size=20))
def test_bytes_always_decode(content, charset):
    assert isinstance(decode_bytes(content, charset), str)
