"""Every command of sentinel that a sentence of the pages names with arguments is run, as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from sentinel.commands.main import entry_point
from tests.e2e.running import long_csv
from tests.meta.printed import PAGES, mentions
from tests.meta.test_commands import subcommand
from tests.runtime.rig import VALUES, Rig, frame

NOT_RUN = {
    r"^sentinel drill\b": "needs a running daemon and takes its time; tests/runtime/test_drill.py has one",
    r"^sentinel doctor --load\b": "fills two cores for minutes; tests/commands/test_load.py runs it on few series",
    r"^sentinel series forget NEW$": "the same command is run for SERIES",
}
"""Commands that are not run -> why, and what is done about them."""
LEFT_OUT = {
    "CONFIG": ("check --compile", "check --probe"),
    "--state DIR": ("journal show", "journal show --corrections", "series forget SERIES", "series rename OLD NEW",
                    "series retire SERIES", "series show SERIES", "state export --out DIR2"),
    "--state EMPTY": ("state import --from DIR2",),
}  # fmt: skip
"""Words that a sentence leaves out, with the commands."""


def folder_of(tmp_path: Path) -> tuple[Path, str]:
    """Make a folder with what the commands name; the id of an alarm in its state."""
    rig = Rig(tmp_path / "state")
    rig.feed(frame(0, 400))
    alarm = str(rig.journal.open_events()[-1]["alarm_id"])
    rig.journal.close()
    (tmp_path / "lake.csv").write_text(long_csv(VALUES))
    (tmp_path / "sentinel.yaml").write_text("sources: [{kind: csv, name: lake, path: lake.csv}]\n")
    (tmp_path / "rules.yaml").write_text("alarms: [{threshold: 0.5, alpha: 1e-3, at_start: alarm}]\n")
    (tmp_path / "calibrations.csv").write_text("series,start,end\ns0,2020-01-03T09:30Z,2020-01-03T10:30Z\n")
    return tmp_path, alarm


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a state, which no command has touched, and an alarm."""
    folder, alarm = folder_of(tmp_path_factory.mktemp("prepared"))
    entry_point(["replay", alarm, "--state", str(folder / "state"), "--bundle", str(folder / "alarm.bundle")])
    rules = ["--config", str(folder / "rules.yaml"), "--out", str(folder / "result")]
    assert entry_point(["backtest", str(folder / "lake.csv"), *rules]) == 0
    return folder, alarm


def whole_commands() -> list[str]:
    """Every command with an argument; a bare `sentinel replay` is the name of one."""
    found = {mention for page in PAGES for mention in mentions(page)}
    return sorted(one for one in found if subcommand(shlex.split(one)[1:])[1])


@pytest.mark.slow
@pytest.mark.parametrize("mention", [one for one in whole_commands() if not any(re.search(n, one) for n in NOT_RUN)])
def test_a_command_that_a_sentence_names_does_what_it_says(mention, prepared, tmp_path, monkeypatch, capsys):
    source, alarm = prepared
    shutil.copytree(source, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    text = mention.partition(" > ")[0]  # the shell would write it there
    text += next((f" {words}" for words, of in LEFT_OUT.items() if text.removeprefix("sentinel ") in of), "")
    shown_by = (("--backtest DIR", "--backtest result"), ("DIR2", "other"), ("DIR", "state"), ("EMPTY", "empty"))
    names = ("OLD", "s1"), ("NEW", "other"), ("SERIES", "s0"), ("peter/ph", "s1"), ("ALARM", alarm), ("TEXT", "seen")
    for old, new in (*shown_by, *names, ("CONFIG", "sentinel.yaml"), ("--bundle FILE", "--bundle new.bundle")):
        text = text.replace(old, new)
    text = text.replace("FILE", "sentinel.yaml" if " check " in text else "alarm.bundle")
    if "--backtest" in text:
        text = text.replace(alarm, (tmp_path / "result/alarms.csv").read_text().splitlines()[1].partition(",")[0])
    if " import " in text:
        (tmp_path / "state").rename("other")
    if "series forget" in text:
        assert entry_point(["series", "retire", "s0", "--state", "state"]) == 0
    code = entry_point(shlex.split(text)[1:])
    assert code == 0, f"{mention}, run as {text}: {capsys.readouterr().err}"


def test_what_is_not_run_has_a_reason_and_no_reason_is_left_over() -> None:
    assert len(whole_commands()) > 20
    for pattern in NOT_RUN:
        assert any(re.search(pattern, one) for one in whole_commands()), pattern
    shown = {one.removeprefix("sentinel ") for one in whole_commands()}
    assert not {one for of in LEFT_OUT.values() for one in of} - shown
