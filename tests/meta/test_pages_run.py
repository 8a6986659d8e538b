"""Every command that the pages print is run, in order, and prints what the page says; in a network of its own."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path

import polars as pl
import pytest

import sentinel
from tests.analysis.lakes import lakes
from tests.e2e.running import PATIENCE
from tests.meta.printed import PAGES, ROOT, Block, blocks, commands
from tests.meta.shell import Shell, shell

pytestmark = pytest.mark.slow

READY = "curl -sS --retry 120 --retry-delay 1 --retry-all-errors --no-progress-meter 127.0.0.1:9814/-/ready"
PUSHED = """
daemon: {state_dir: state}
sources: [{kind: push, name: buoys, token_file: token}]
notify: [{kind: log, path: alarms.jsonl}]
"""


def lake() -> pl.DataFrame:
    """An hourly record of a logger."""
    return lakes().select("time", ph="control", oxygen="loaded")


def write_lake(_: Shell, folder: Path) -> None:
    lake().write_csv(folder / "lake.csv")
    (folder / "calibrations.csv").write_text("series,end\nph,2019-01-20T10:30Z\n")


def write_lakes(typed: Shell, folder: Path) -> None:
    """One lake that tips, one that does not, and what happened to them; a quiet record."""
    write_lake(typed, folder)
    record = sentinel.simulated()
    record.data.write_csv(folder / "lakes.csv")
    record.events.write_csv(folder / "events.csv")
    sentinel.simulated("ar1", seed=1, ticks=6_000).data.write_csv(folder / "quiet.csv")
    (folder / "rules.yaml").write_text("alarms: [{kind: slower, false_alarms: 1 per 1y}]\n")


def write_two_lakes(_: Shell, folder: Path) -> None:
    """The table of a published experiment."""
    data = Path(os.environ.get("SENTINEL_TEST_DATA", "missing")) / "lakes" / "peter_paul_2018_2019.csv"
    if not data.exists():
        pytest.skip("the table of Peter and Paul Lake is not here")
    (folder / data.name).symlink_to(data)


def start_a_daemon(typed: Shell, folder: Path) -> None:
    """A daemon that has been sent an observation of a buoy."""
    (folder / "token").write_text("secret")
    (folder / "given.yaml").write_text(PUSHED)
    for command in (
        "export TOKEN=secret", "sentinel run given.yaml", f"{SEND} 127.0.0.1:9814/api/v1/observations",
    ):  # fmt: skip
        assert not problem(typed, command, None)


SEND = """curl -sS -H "Authorization: Bearer $TOKEN" -H "Content-Type: text/csv" \\
    --data-binary $'time,series,value\\n2026-01-01T00:00Z,buoy/ph,8.1\\n'"""
GIVEN: dict[str, Callable[[Shell, Path], None]] = {
    "README.md": write_lake,
    "deploy/README.md": start_a_daemon,
    "docs/backtest.md": write_lakes,
    "docs/counterparts.md": write_two_lakes,
    "docs/events.md": start_a_daemon,
    "docs/files.md": write_lake,
}
"""By page: what its reader has before the first command."""
STANDS_FOR = {
    "1f0c3a9d42": r"$(sentinel series show buoy/ph --state state | sed -n '/ holds /{s/^event \(\w*\):.*/\1/p;q}')",
}
"""What a page has made up -> a command that finds it."""


def the_page(page: Path) -> str:
    return str(page.relative_to(ROOT))


RUN = [page for page in PAGES if any(not one.reason for one in commands(page))]


@pytest.mark.parametrize("page", RUN, ids=map(the_page, RUN))
def test_every_command_of_a_page_runs_and_prints_what_the_page_says(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    folder.mkdir()
    for block in blocks(page):
        if block.file:
            (folder / block.file).write_text(block.text)
    with shell(folder) as typed:
        GIVEN.get(the_page(page), lambda _shell, _folder: None)(typed, folder)
        for command in commands(page):
            if not command.reason:
                text = command.text
                for made_up, real in STANDS_FOR.items():
                    text = text.replace(made_up, real)
                found = problem(typed, text, command.output)
                assert not found, f"{the_page(page)}:{command.line}: {command.text}\n{found}"


def problem(typed: Shell, command: str, output: str | None) -> str:
    """What is wrong with a command; "" = nothing. While a daemon runs, what it is to say may take a while."""
    if re.search(r"\bsentinel run [\w./-]+( +#.*)?$", command):  # runs until it is stopped
        command = f"{command.partition(' #')[0]} 2> log.txt &\n{READY}"
    until = time.monotonic() + PATIENCE
    while True:
        code, said = typed.run(command)
        if output is None:
            return f"exit code {code}: {said}" if code else ""
        if OutputChecker().check_output(output + "\n", said.rstrip() + "\n", ELLIPSIS):
            return ""
        if time.monotonic() > until or not typed.run("jobs -r")[1]:
            return f"exit code {code}, printed:\n{said}"
        time.sleep(0.5)


PYTHON = [(page, block) for page in PAGES for block in blocks(page) if block.language == "python" and not block.file]


@pytest.mark.parametrize(("page", "block"), PYTHON, ids=[f"{the_page(page)}:{block.line}" for page, block in PYTHON])
def test_every_block_of_python_runs(page: Path, block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block.text, page.name, "exec"), {"frame": lake()})
