"""The table of docs/channels/README.md says what the connectors say."""

from __future__ import annotations

from pathlib import Path

from engagement.channels import BUILT_IN, connector
from engagement.channels.base import Act, Connector

DOCS = Path(__file__).resolve().parents[2] / "docs" / "channels"
HEAD = "| channel | at once | fetched | answers | writes first | files | acts | figures of posts | compared |"


def row(link: Connector) -> str:
    """One line of the table."""
    page = DOCS / f"{link.name}.md"
    cells = [
        f"[{link.label}]({page.name})" if page.exists() else link.label,
        *(
            "yes" if can else ""
            for can in (
                link.takes_hooks or link.watches,
                link.can_pull,
                link.can_reply,
                link.can_start,
                link.takes_files,
            )
        ),
        ", ".join(act.value for act in Act if act in link.acts and not act.value.startswith("un")),
        "yes" if link.has_metrics else "",
        "yes" if link.reconciles else "",
    ]
    return "| " + " | ".join(cells) + " |"


def table() -> str:
    """The whole table, by label."""
    links = sorted((connector(name) for name in BUILT_IN), key=lambda link: link.label.lower())
    shown = [link for link in links if link.settings_form or link.takes_pushes or link.logs_in]
    return "\n".join([HEAD, "|---|---|---|---|---|---|---|---|---|", *map(row, shown)])


def test_the_table_is_what_the_connectors_can() -> None:
    assert table() in (DOCS / "README.md").read_text()


def test_each_that_cannot_be_compared_says_why() -> None:
    links = [connector(name) for name in BUILT_IN]
    silent = [link.name for link in links if not link.reconciles and not link.why_not_compared]
    assert silent == []
