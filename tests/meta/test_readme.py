"""The README says what the code says. `pytest --update-golden` writes the table of metrics."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sentinel.config import Settings
from sentinel.domain.metrics import METRICS
from sentinel.sources import SOURCES

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = "<!-- metrics: written by tests/meta/test_readme.py --update-golden -->\n", "<!-- end of metrics -->"


def table() -> str:
    """The table of metrics, from the exposition's own."""
    rows = [f"| `{row.name}` | {row.type} | {', '.join(row.labels) or '-'} | {row.help} |" for row in METRICS]
    return "\n".join(["| metric | type | labels | what it says |", "|---|---|---|---|", *rows]) + "\n"


def test_the_table_of_metrics_is_that_of_the_exposition(request: pytest.FixtureRequest) -> None:
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    if request.config.getoption("--update-golden"):
        README.write_text(before + BEGIN + table() + END + after, encoding="utf-8")
    assert README.read_text(encoding="utf-8") == before + BEGIN + table() + END + after


def test_the_two_commands_come_first() -> None:
    commands = re.findall(r"```bash\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert commands[0].splitlines() == [
        "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/sentinel demo",
        ".venv/bin/pip install '.[test]' && .venv/bin/pytest",
    ]


def test_every_section_of_the_configuration_and_every_source_is_named() -> None:
    text = README.read_text(encoding="utf-8")
    for name in [*Settings.model_fields, *SOURCES]:
        assert f"`{name}`" in text, name
