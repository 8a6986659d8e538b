"""The README is a front page: short, its commands are those that exist, and it leads to every other page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml

from sentinel.commands.main import parser
from sentinel.config import Settings

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


def test_every_command_that_the_pages_print_is_understood() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    blocks = [text for page in pages for text in re.findall(r"```bash\n(.*?)```", page.read_text("utf-8"), re.DOTALL)]
    printed = [line for block in blocks for line in block.splitlines() if line.startswith(".venv/bin/sentinel ")]
    assert len(printed) >= 6
    for line in printed:
        parser().parse_args(shlex.split(line, comments=True)[1:])


def test_the_settings_that_the_front_page_shows_are_valid() -> None:
    for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL):
        Settings.model_validate(yaml.safe_load(block))


def test_every_page_can_be_reached_from_the_front_page() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name})" in TEXT, page.name


def test_the_number_of_alert_rules_is_that_of_the_file() -> None:
    (number,) = re.findall(r"(\d+) alert rules", TEXT)
    assert int(number) == (ROOT / "deploy" / "prometheus" / "rules.yaml").read_text("utf-8").count("- alert:")
