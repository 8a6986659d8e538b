"""The command line, as a process: what it prints, how it ends, and how little it imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sentinel import __version__
from sentinel.commands.main import entry_point, parser

ROOT = Path(__file__).parents[2]
FULL = ROOT / "config" / "sentinel.full.yaml"
HEAVY = ("torch", "numba", "polars", "statsmodels", "pandas")
LIGHT = [["--help"], ["--version"], ["check", str(FULL)], ["backtest", "--help"]]


def run(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    start = ["-c", code] if code else ["-m", "sentinel"]
    command = [sys.executable, *start, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)


@pytest.mark.slow
def test_light_commands_import_nothing_heavy() -> None:
    code = f"""
import sys
from sentinel.commands.main import entry_point
for arguments in {LIGHT!r}:
    try:
        code = entry_point(arguments)
    except SystemExit as end:
        code = end.code
    print(code or 0, [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    assert run(code=code).stderr == len(LIGHT) * "0 []\n"


def test_the_version_is_the_packages() -> None:
    assert run("--version").stdout == f"sentinel {__version__}\n"


def test_every_command_is_named_in_the_help() -> None:
    text = parser().format_help()
    for name in ("run", "check", "demo", "backtest", "plot", "replay", "schema", "doctor"):
        assert f"\n    {name} " in text


@pytest.mark.parametrize("name", ["demo", "backtest", "plot", "run", "check", "replay", "schema", "doctor"])
def test_the_help_of_every_command_has_an_example_that_is_understood(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        entry_point([name, "--help"])
    said = capsys.readouterr().out
    words = said.partition("example:\n  sentinel ")[2].partition("\n")[0].partition(" >")[0].split()
    assert words[0] == name
    assert parser().parse_args(words).handler
    assert all(len(line) <= 80 for line in said.splitlines())


CHECKED = {
    "lakes": "sources: [{kind: csv, name: lake, path: lake.csv}]\n"
    "series: [{match: 'peter/*', cadence: 1d}, {match: 'paul/*', cadence: 1d, season: [1y]}]\n"
    "banks: {default: {half_life: 70d, warm_up_ticks: 100}}\n"
    "alarms: [{threshold: 0.8, false_alarms: 1 per 10y}, {match: other, threshold: 0.9, alpha: 1e-4}]\n",
    "no-cadence": "alarms: [{threshold: 0.8, false_alarms: 1 per 10y}]\nnotify: []\n",
    "budgets": "alarms:\n"
    "  - {match: a, threshold: 0.7, false_alarms: 5 per 1s}\n"
    "  - {match: b, threshold: 0.7, alpha: 1e-4, share: 0.8}\n"
    "  - {match: b, threshold: 0.8, alpha: 1e-4, share: 0.5, severity: critical}\n"
    "  - {match: c, threshold: 0.7, alpha: 1e-4, share: 0.5}\n"
    "  - {match: c, threshold: 0.8, alpha: 1e-4, share: 0.5, severity: critical}\n"
    "  - {match: d, threshold: 0.7, alpha: 1e-4}\n"
    "  - {match: d, threshold: 0.8, alpha: 1e-4}\n"
    "series: [{match: '[a]'}, {match: b}, {match: c}, {match: d}]\n",
}


@pytest.mark.parametrize("name", CHECKED)
def test_check_says_what_the_golden_file_says(
    name: str, golden: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(f"{name}.yaml").write_text(CHECKED[name])
    assert entry_point(["check", f"{name}.yaml"]) == 0
    golden(f"check-{name}.txt", capsys.readouterr().out.replace(str(tmp_path), "FOLDER"))


def test_check_says_each_effective_number_and_each_only_where_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def checked(name: str) -> str:
        file = tmp_path / f"{name}.yaml"
        file.write_text(CHECKED[name])
        assert entry_point(["check", str(file)]) == 0
        return capsys.readouterr().out

    lakes = checked("lakes")
    assert "= 781 ticks" in lakes, "two periods of its season, and 50 pairs"
    assert "alpha 0.000274 per tick" in lakes
    assert lakes.count("above 0.9") == 1, "that rule is for neither of them"
    assert "recentred" not in checked("no-cadence"), "examples are brief: what both have in common is not said twice"
    assert "cut to alpha 0.1 per tick" in (budgets := checked("budgets"))
    assert budgets.count("add up to") == 1


def test_check_gives_a_notice_for_each_old_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "old.yaml"
    file.write_text("series:\n  - {match: a, reference: b}\nbanks:\n  default: {kappa: 1.5}\n")
    assert entry_point(["check", str(file)]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("notice: ")] == [
        f"notice: {file}:2: series[0].reference: is called counterpart now; the old name is still read",
        f"notice: {file}:4: banks.default.kappa: has gone, since it is always 1.5 now; leave the key out",
    ]


def test_check_lists_every_fault_and_exits_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("web:\n  listen: here\n  max_series: many\n")
    assert entry_point(["check", str(file)]) == 78
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.split("; ")[0] for line in said.err.splitlines()] == [
        f"sentinel: {file}:2: web.listen: 'here'",
        f"sentinel: {file}:3: web.max_series: 'many'",
    ]


def test_check_refuses_a_system_that_nobody_can_play(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sea.yaml"
    file.write_text("sources: [{kind: simulate, name: a, system: ar1}, {kind: simulate, name: b, system: sea}]\n")
    assert entry_point(["check", str(file)]) == 78
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"sentinel: {file}: sources[1].system: 'sea'; allowed systems are lake")


def test_schema_prints_what_is_published(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry_point(["schema"]) == 0
    said = capsys.readouterr().out
    assert said == (ROOT / "config" / "sentinel.schema.json").read_text("utf-8")
    assert json.loads(said)["title"] == "sentinel configuration"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["watch"], "argument COMMAND: invalid choice: 'watch'"),
        (["run"], "the following arguments are required: CONFIG"),
        (["backtest", "lake.csv"], "the following arguments are required: --out"),
        (["backtest", "lake.csv", "--out", "x", "--cadence", "60"], "argument --cadence: '60'; a cadence is"),
        (["plot", "lake.csv", "--out", "x.png", "--season", "often"], "argument --season: 'often'; a season is"),
        (["backtest", "lake.csv", "--out", "x", "--separator", "ab"], "argument --separator: 'ab'; one ASCII"),
        (["backtest", "lake.csv", "--out", "x", "--separator", "§"], "argument --separator: '§'; one ASCII"),
        (["backtest", "lake.csv", "--out", "x", "--separator", "\n"], "argument --separator: ' '; one ASCII"),
        (["backtest", "lake.csv", "--out", "x", "--separator", '"'], "argument --separator: '\"'; one ASCII"),
        (["check", "--probe", "lake.csv", "--time-zone", "Mars"], "argument --time-zone: 'Mars'; a time zone that"),
        (["demo", "--seed", "-1"], "argument --seed: '-1'; a whole number from 0 is allowed"),
        (["demo", "--linger", "nan"], "argument --linger: 'nan'; a number of seconds from 0 is allowed"),
        (["demo", "--linger", "long"], "argument --linger: 'long'; a number of seconds"),
        (["run", ""], "an empty argument, as an unset variable leaves it; a value is needed"),
        (["backtest", "lake.csv", "--out", ""], "an empty argument"),
        (["demo", "--sede", "1"], "unrecognized arguments: --sede 1"),
        (["run", "a.yaml", "b\nc.yaml"], "unrecognized arguments: b c.yaml"),
    ],
)
def test_a_fault_of_usage_exits_2_with_one_line_that_says_where_more_is_to_be_read(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        entry_point(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"sentinel: {message}")
    command = " ".join(["sentinel", *arguments[:1]]) if arguments[:1] != ["watch"] else "sentinel"
    assert said.endswith(f"; see '{command} --help'\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["backtest", "lake.csv", "--out"],
        ["replay", "--state", "state", "--out"],
        ["demo", "--headless", "--keep"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_folder_that_cannot_be_had_is_one_clear_line_before_anything_runs(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # `replay` and `demo` let a FileExistsError escape.
    monkeypatch.chdir(tmp_path)
    Path("lake.csv").write_text("time,x\n2024-01-01,1\n2024-01-02,2\n")
    assert entry_point([*arguments, "lake.csv"]) == 2
    said = f"sentinel: {arguments[-1]} lake.csv: there is a file of that name; a folder is needed\n"
    assert capsys.readouterr() == ("", said)
    assert entry_point([*arguments, "lake.csv/deeper"]) == 1
    said = "sentinel: lake.csv/deeper: Not a directory; it must be writable, with enough room\n"
    assert capsys.readouterr() == ("", said)
    # As in a folder that this user may not enter; it was a traceback.
    assert entry_point([*arguments, "a" * 300]) == 1
    assert capsys.readouterr().err.endswith("aaa: File name too long; it must be writable, with enough room\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["check"], 78, "cannot be read: File name too long; a readable YAML file or folder is needed"),
        (["check", "--probe"], 65, "File name too long; the file must be readable"),
    ],
)
def test_a_path_that_cannot_be_looked_at_is_one_clear_line(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # As in a folder that this user may not enter; it was a traceback.
    assert entry_point([*arguments, "a" * 300]) == code
    assert capsys.readouterr() == ("", f"sentinel: {'a' * 300}: {said}\n")


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "sentinel", "schema"], stdout=writer, stderr=subprocess.PIPE, cwd=ROOT, check=False
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("redirected", "expected"),
    [
        pytest.param(">&-", (0, b""), marks=pytest.mark.slow),
        pytest.param(
            ">/dev/full",
            (1, b"sentinel: standard output: No space left on device; room is needed\n"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_standard_output_that_takes_nothing_is_no_traceback(redirected: str, expected: tuple[int, bytes]) -> None:
    command = ["sh", "-c", f'"$0" -m sentinel schema {redirected}', sys.executable]
    process = subprocess.run(command, stderr=subprocess.PIPE, cwd=ROOT, check=False)
    assert (process.returncode, process.stderr) == expected


@pytest.mark.slow
def test_a_name_that_the_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.yaml"
    Path(os.fsdecode(name)).write_text("notify: []\n")
    command = [sys.executable, "-m", "sentinel", "check", name]
    process = subprocess.run(command, capture_output=True, cwd=ROOT, check=False)
    assert (process.returncode, process.stderr) == (0, b"")
    assert process.stdout.startswith(os.fsencode(tmp_path) + b"/\\udcff.yaml: valid\n")


@pytest.mark.slow
def test_an_interrupt_exits_130_without_a_traceback(tmp_path: Path) -> None:
    # A command that waits: the configuration is a pipe into which nobody writes.
    pipe = tmp_path / "waits.yaml"
    os.mkfifo(pipe)
    process = subprocess.Popen([sys.executable, "-m", "sentinel", "check", str(pipe)], stdout=-1, stderr=-1, cwd=ROOT)
    writer = os.open(pipe, os.O_WRONLY)  # returns once the command has opened its end
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    os.close(writer)
    assert (process.returncode, said) == (130, b"")
