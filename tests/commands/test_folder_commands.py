"""`sentinel series list`, `series show`, `state inspect`, `state verify`, on folders that a real engine wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sentinel.commands.main import entry_point
from tests.runtime.rig import Rig, frame


def test_series_are_listed_by_label(tmp_path: Path, capsys) -> None:
    rig = Rig(tmp_path)
    named = frame(0, 2).observations.with_columns(
        pl.col("series").replace({"s0": 'ph{lake="a"}', "s1": 'ph{lake="b"}'})
    )
    rig.feed(replace(frame(0, 2), observations=named))
    for pattern, lines in (('{lake="*"}', 2), ('ph{lake="b"}', 1), ("s*", 1), ("ph{}", 2)):
        assert entry_point(["series", "list", "--state", str(tmp_path), "--match", pattern, "--json"]) == 0
        listed = json.loads(capsys.readouterr().out)
        assert len(listed) == lines
        assert all(one["labels"].get("lake") == one["name"][-3:-2] for one in listed if "{" in one["name"])
    with pytest.raises(SystemExit):
        entry_point(["series", "list", "--state", str(tmp_path), "--match", '{lake=""}'])


def test_names_of_an_old_journal_do_not_steer_the_terminal(tmp_path: Path, capsys) -> None:
    rig = Rig(tmp_path)
    named = frame(0, 2).observations.with_columns(series=pl.lit("a\x1b[2Jb\nc"))
    rig.feed(replace(frame(0, 2), observations=named))
    state = ("--state", str(tmp_path))
    assert entry_point(["series", "list", *state]) == 0
    assert entry_point(["series", "show", "A", *state]) == 2
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert len(out.splitlines()) == len(err.splitlines()) == 1


@pytest.mark.slow
def test_series_and_folder_are_told_while_the_daemon_runs_as_the_engine_has_them(tmp_path: Path, capsys) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 100))
    rig.engine.checkpoint()
    rig.feed(frame(100, 230))
    state = ("--state", str(tmp_path))
    assert entry_point(["series", "list", *state, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    views = {view.name: view for view in rig.engine.snapshot.views()}
    assert {one["name"] for one in listed} == set(views)
    for one in listed:
        view = views[one["name"]]
        assert (one["ticks"], one["lag1"], one["evidence"]) == (view.ticks, view.estimates.lag1, view.evidence)
        assert [rule["alarm"] for rule in one["rules"]] == [rule.alarm_id or None for rule in view.rules]
    assert entry_point(["series", "list", *state]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert entry_point(["series", "show", "s0", *state]) == 0
    out = capsys.readouterr().out
    assert all(str(e["alarm_id"]) in out for e in rig.engine.events if e["series"] == "s0")
    assert entry_point(["series", "show", "S", *state]) == 2
    assert "s0, s1, s2 are known" in capsys.readouterr().err
    assert entry_point(["state", "inspect", *state, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    opened = sum(bool(rule.alarm_id) for view in views.values() for rule in view.rules)
    assert (facts["series"], facts["open_alarms"], facts["sources"]) == (3, opened, ["buoys"])
    assert entry_point(["state", "inspect", *state]) == 0


def test_the_severity_of_a_rule_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Rig(tmp_path, {"series": [{"match": "*", "cadence": "1h"}]}).feed(frame(0, 20))
    assert entry_point(["series", "show", "s0", "--state", str(tmp_path)]) == 0
    assert "rule slower than it was (warning): not ready" in capsys.readouterr().out


@pytest.mark.slow
def test_a_folder_is_verified_bit_for_bit_and_a_state_that_does_not_follow_is_named(tmp_path: Path, capsys) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 100), frame(100, 150))
    rig.engine.checkpoint()
    rig.feed(frame(150, 230))
    assert entry_point(["state", "verify", "--state", str(tmp_path)]) == 0
    assert "bit for bit" in capsys.readouterr().out
    members = rig.engine._replica.state.cohorts[0]
    members.bank.pairs.setflags(write=True)
    members.bank.pairs[0] += np.int64(1)
    rig.feed(frame(230, 240))
    rig.engine.checkpoint()
    assert entry_point(["state", "verify", "--state", str(tmp_path)]) == 1
    assert "differs: s0: " in capsys.readouterr().out


@pytest.mark.slow
def test_where_the_beginning_is_forgotten_the_rest_is_read_and_that_is_said(tmp_path: Path, capsys) -> None:
    rig = Rig(tmp_path)
    rig.feed(*(frame(at, at + 10) for at in range(0, 100, 10)))
    rig.engine.checkpoint()
    while rig.journal.retention.step(10**18, 10**12):
        pass
    rig.feed(frame(100, 110))
    assert entry_point(["state", "verify", "--state", str(tmp_path)]) == 0
    assert "not compared" in capsys.readouterr().out
    assert entry_point(["series", "list", "--state", str(tmp_path)]) == 0


@pytest.mark.slow
def test_a_copy_made_while_the_daemon_runs_goes_on_bitwise_and_nothing_is_overwritten(tmp_path: Path, capsys) -> None:
    rig = Rig(tmp_path / "state")
    rig.feed(frame(0, 100))
    rig.engine.checkpoint()
    rig.feed(frame(100, 150))
    assert entry_point(["state", "export", "--state", str(tmp_path / "state"), "--out", str(tmp_path / "copy")]) == 0
    assert "3 series" in capsys.readouterr().out
    then = rig.state
    rig.feed(frame(150, 230))
    imports = ["state", "import", "--from", str(tmp_path / "copy"), "--state"]
    assert entry_point([*imports, str(tmp_path / "state")]) == 73
    assert "in use" in capsys.readouterr().err
    assert entry_point([*imports, str(tmp_path / "new")]) == 0
    assert entry_point([*imports, str(tmp_path / "new")]) == 73
    assert "there is a journal already" in capsys.readouterr().err
    again = Rig(tmp_path / "new")
    assert again.state == then
    again.feed(frame(150, 230))
    assert again.state == rig.state
    assert [kept.body["id"] for kept in again.journal.events()] == [kept.body["id"] for kept in rig.journal.events()]
    assert entry_point([*imports[:3], str(tmp_path / "nothing"), "--state", str(tmp_path / "other")]) == 73
    assert not (tmp_path / "other").exists()
