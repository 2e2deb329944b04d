"""What a condition found, as people read it."""

import pytest

from personas.templatetags.explained import found_text


@pytest.mark.parametrize(
    ("found", "read"),
    [
        ("2026-07-23", "23 Jul 2026"),
        ("33.333333333333336", "33.33"),
        ("-0.1499", "-0.15"),
        ("2", "2"),
        ("12.50", "12.50"),
        ("Advocacy", "Advocacy"),
        ("2026-07-23 and more", "2026-07-23 and more"),
    ],
)
def test_days_and_long_fractions_are_shortened(found: str, read: str) -> None:
    assert found_text(found) == read
