"""The README is a front page: short, the two commands first, and it leads to every other page."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_front_page_is_short_and_its_lines_are_wrapped() -> None:
    lines = TEXT.splitlines()
    assert len(lines) <= 200
    assert [line for line in lines if len(line) > 120 and not line.startswith(("|", "!["))] == []


def test_the_two_commands_come_first() -> None:
    commands = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
    assert commands[0].splitlines() == [
        "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/sentinel demo",
        ".venv/bin/pip install '.[test]' && .venv/bin/pytest",
    ]


def test_the_first_paragraph_says_what_it_cannot_do() -> None:
    first = " ".join(TEXT.split("\n\n")[1].split())
    for limit in ("cannot", "not a forecast", "under about 100 points", "`ewstools`", "`earlywarnings`"):
        assert limit in first


def test_every_page_can_be_reached_from_the_index_and_that_from_the_front_page() -> None:
    assert "(docs/README.md)" in TEXT
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*.ipynb")]:
        assert page.name == "README.md" or f"({page.name})" in index, page.name


def test_the_number_of_alert_rules_is_that_of_the_file() -> None:
    (number,) = re.findall(r"(\d+) alert rules", TEXT)
    assert int(number) == (ROOT / "deploy" / "prometheus" / "rules.yaml").read_text("utf-8").count("- alert:")
