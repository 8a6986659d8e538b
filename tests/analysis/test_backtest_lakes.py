"""Two real lakes, one judged against the other: the command of docs/counterparts.md, and labels of comparisons."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import polars as pl
import pytest
import yaml

from sentinel.commands.main import entry_point
from sentinel.domain.errors import DataError
from tests.analysis.lakes import lakes

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SENTINEL_TEST_DATA", ROOT.parent / "shared" / "data"))
LAKES = DATA / "lakes" / "peter_paul_2018_2019.csv"
COUNTERPARTS = (ROOT / "docs" / "counterparts.md").read_text(encoding="utf-8")
SAID = (
    "peter: at least 2 series in alarm from 2019-06-25 until 2019-06-26: peter/chlorophyll - paul/",
    "peter: at least 2 series in alarm from 2019-07-16 on: peter/ph - paul/ph; peter/phycocyanin - paul/",
    "Detected before the event: 3 of 4 (19% to 99%); 1 missed.",
    "Lead from the first alarm to the event: median 24.5 days, ",
    "Alarms: 4 True (before an event), 3 Late (after it, no warning), 0 False (quiet data), ",
    "Quiet data with a verdict: 367 ticks, 1 series-years. False alarms: 0, ",
)
LIMITS = (
    "4 labelled transitions at 1 distinct moment: that shows that the data pass through",
    "it proves nothing about skill",
    "8 series are watched by no alarm rule and not judged here",
    "Labelled events are held against series, not against sites",
)


def test_the_page_shows_the_settings_of_the_lakes_as_they_are():
    (shown,) = re.findall(r"```yaml\n# config/lakes.yaml\n(.*?)```", COUNTERPARTS, re.DOTALL)
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / "config" / "lakes.yaml").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.skipif(not LAKES.is_file(), reason=f"no lake data at {LAKES}; SENTINEL_TEST_DATA says where they are")
def test_the_command_of_the_page_judges_peter_against_paul_and_says_what_it_cannot(tmp_path, capsys, monkeypatch):
    (line,) = [text for text in COUNTERPARTS.splitlines() if "--config config/lakes.yaml" in text]
    words = shlex.split(line)
    at = {"peter_paul_2018_2019.csv": str(LAKES), "result": str(tmp_path)}
    monkeypatch.chdir(ROOT)
    assert entry_point([at.get(word, word) for word in words[1:]]) == 0
    told = capsys.readouterr().out
    page = (tmp_path / "report.html").read_text(encoding="utf-8").replace("&#39;", "'")
    for text in (*SAID, *LIMITS):
        assert text in told
        assert text in page
    for text in SAID:
        assert text in COUNTERPARTS
    assert "prosecutor" not in told, "Peter in 2018 is a control"
    assert str(tmp_path / "sites.csv") in told
    data = json.loads((tmp_path / "skill.json").read_text(encoding="utf-8"))
    assert {event["series"]: event["first_alarm"] for event in data["events"]} == {
        "peter/phycocyanin - paul/phycocyanin": "2019-07-07T12:00:00+00:00",
        "peter/chlorophyll - paul/chlorophyll": "2019-06-25T12:00:00+00:00",
        "peter/oxygen_saturation - paul/oxygen_saturation": None,
        "peter/ph - paul/ph": "2019-06-19T12:00:00+00:00",
    }
    assert data["series"] == {"labelled": 4, "controls": 4, "unlabelled": 0, "unwatched": 8}
    assert pl.read_csv(tmp_path / "sites.csv")["site"].to_list() == ["peter", "peter"]


def paired(folder: Path, events: str, *, reference: str = "control", match: str = "*") -> int:
    """Judge `loaded` against another series, with rules for what `match` says."""
    lakes(400).write_csv(folder / "lakes.csv")
    (folder / "events.csv").write_text("series,time,kind\n" + events, encoding="utf-8")
    series = [{"match": "loaded", "reference": reference, "cadence": "1h"}, {"cadence": "1h"}]
    settings = {"series": series, "alarms": [{"match": match, "threshold": 0.8, "alpha": 1e-4}]}
    (folder / "rules.yaml").write_text(json.dumps(settings), encoding="utf-8")
    return entry_point(
        ["backtest", str(folder / "lakes.csv"), "--config", str(folder / "rules.yaml"),
         "--events", str(folder / "events.csv"), "--out", str(folder / "out")]
    )  # fmt: skip


def judged(folder: Path) -> dict[str, str]:
    """Start of what is expected, by series with an event."""
    events = json.loads((folder / "out" / "skill.json").read_text(encoding="utf-8"))["events"]
    return {event["series"]: event["expected_from"] for event in events}


EVENTS = "loaded,2019-01-10,start\nloaded,2019-01-14,transition\n"


def test_what_happened_to_a_series_holds_for_its_comparison_unless_that_is_labelled_itself(undrawn, tmp_path):
    assert paired(tmp_path, EVENTS) == 0
    assert judged(tmp_path) == dict.fromkeys(("loaded", "loaded - control"), "2019-01-10T00:00:00+00:00")
    assert (
        paired(tmp_path, EVENTS + EVENTS.replace("loaded,2019-01-10", "loaded - control,2019-01-11"))
        == DataError.exit_code
    )
    own = EVENTS.replace("loaded", "loaded - control").replace("01-10", "01-11")
    assert paired(tmp_path, EVENTS + own) == 0
    assert judged(tmp_path)["loaded - control"] == "2019-01-11T00:00:00+00:00"


def test_a_series_that_no_rule_watches_is_drawn_and_neither_misses_an_event_nor_is_quiet(tmp_path, capsys):
    assert paired(tmp_path, EVENTS + "control,,control\n", match="* - *") == 0
    told = capsys.readouterr().out
    assert set(judged(tmp_path)) == {"loaded - control"}
    assert "control: watched by no alarm rule: lag-1" in told
    assert "2 series are watched by no alarm rule and not judged here" in told
    assert "There is no control in the data" in told, "a control that is not watched controls nothing"
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8").count("<svg ") == 3


@pytest.mark.parametrize(
    ("events", "match", "said"),
    [
        (EVENTS, "none", "row 1: no alarm rule watches loaded; label a series that a rule in alarms matches"),
        ("loaded - contrl,,control\n", "*", "no series 'loaded - contrl' in the data; did you mean 'loaded - control"),
    ],
)  # fmt: skip
def test_labels_that_fit_nothing_get_one_clear_line_and_exit_65(tmp_path, capsys, events, match, said):
    assert paired(tmp_path, events, match=match) == DataError.exit_code
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1


@pytest.mark.parametrize(
    ("reference", "code", "said"),
    [
        ("loaded", 78, "'loaded' is the series itself; the name of another one is allowed"),
        ("contrl", 65, "lakes.csv: no series 'contrl', the counterpart of 'loaded'; did you mean 'control'?"),
    ],
)
def test_a_reference_that_is_the_series_itself_or_is_not_there_gets_one_clear_line(
    tmp_path, capsys, reference, code, said
):
    assert paired(tmp_path, EVENTS, reference=reference) == code
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
