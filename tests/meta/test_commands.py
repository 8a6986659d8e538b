"""Every command and configuration that the pages print is one that sentinel takes; `test_pages_run.py` runs them."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest
import yaml

from sentinel.commands.main import entry_point, parser
from sentinel.config import Settings, load
from tests.meta.printed import NOT_RUN, PAGES, ROOT, blocks, commands, mentions, simple

IDS = [str(page.relative_to(ROOT)) for page in PAGES]


def subcommand(words: list[str]) -> tuple[argparse.ArgumentParser, list[str]]:
    """The parser that a command leads to, and the words behind its name."""
    within = parser()
    while groups := [each for each in within._actions if isinstance(each, argparse._SubParsersAction)]:
        if not words or words[0].startswith("-"):
            break
        assert words[0] in groups[0].choices, f"{words[0]}: no such command"
        within, words = groups[0].choices[words[0]], words[1:]
    return within, words


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_of_a_block_is_understood(page: Path) -> None:
    for command in commands(page):
        for words in simple(command.text):
            if words[0].rpartition("/")[2] != "sentinel":
                continue
            try:
                parser().parse_args(words[1:])
            except SystemExit:
                pytest.fail(f"{page.name}:{command.line}: {command.text}")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_that_a_sentence_names_has_these_options(page: Path) -> None:
    for mention in mentions(page):
        found, rest = subcommand(shlex.split(mention)[1:])
        options = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert options <= found._option_string_actions.keys(), f"{page.name}: {mention}"


@pytest.mark.parametrize("name", ["docs/runbooks.md", "deploy/README.md"])
def test_the_state_folder_that_operators_are_told_is_that_of_the_shipped_unit(name: str) -> None:
    """Bug: a runbook named /var/lib/sentinel, where the shipped configuration has no state."""
    unit = (ROOT / "deploy" / "systemd" / "sentinel.service").read_text()
    assert "WorkingDirectory=%S/sentinel\n" in unit  # %S is /var/lib
    folder = Path("/var/lib/sentinel") / load(ROOT / "config" / "sentinel.yaml").daemon.state_dir
    page = ROOT / name
    printed = " ".join([*mentions(page), *(one.text for one in commands(page))])
    told = re.findall(r"--state[ =](\S+)", printed)
    assert told
    assert set(told) == {str(folder)}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_file_of_the_repository_that_a_command_takes_exists(page: Path) -> None:
    for command in commands(page):
        for path in re.findall(r"(?<![\w/])(?:config|deploy|tests|docs)/[\w./-]+", command.text):
            assert (ROOT / path).exists(), f"{page.name}:{command.line}: {path}"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_configuration_that_a_page_shows_passes_the_check(page: Path, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("calibrations.csv").write_text("series,end\nbuoy/ph,2026-06-01T10:30Z\n")
    for block in blocks(page):
        # What is not marked as YAML is the configuration of another program, or a part.
        if block.language == "yaml":
            assert set(yaml.safe_load(block.text)) <= set(Settings.model_fields), f"{page.name}:{block.line}"
            Path("shown.yaml").write_text(block.text)
            code = entry_point(["check", "shown.yaml"])
            assert code == 0, f"{page.name}:{block.line}: {capsys.readouterr().err}"


def test_every_line_that_is_not_run_has_a_reason_and_no_reason_is_left_over() -> None:
    every = [one for page in PAGES for one in commands(page)]
    assert len(every) > 30
    for pattern in NOT_RUN:
        assert any(re.search(pattern, one.text) for one in every), pattern
