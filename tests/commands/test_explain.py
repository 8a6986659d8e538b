"""`sentinel explain` and `sentinel replay ALARM`, on state folders that a real engine wrote."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from sentinel.commands.explain import explanation
from sentinel.commands.main import entry_point
from tests.pipeline.streams import HOUR_US
from tests.runtime.rig import CHOSEN, Rig, frame

SITES = CHOSEN | {"sites": [{"name": "lake", "match": "s*", "k": 2}]}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    rig = Rig(folder, SITES)
    for at in range(0, 230, 10):
        rig.clock.set(rig.clock.now_us() + HOUR_US)
        rig.feed(frame(at, at + 10))
    rig.journal.close()
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = entry_point(arguments)
    return code, *capsys.readouterr()


def alarms(capsys: pytest.CaptureFixture[str], state: Path, *more: str) -> list[dict[str, object]]:
    code, out, _ = run(capsys, "explain", "--state", str(state), "--json", *more)
    assert code == 0
    found: list[dict[str, object]] = json.loads(out)
    return found


@pytest.mark.slow
def test_every_alarm_that_is_listed_can_be_explained_and_replayed(capsys, state: Path) -> None:
    listed = alarms(capsys, state)
    assert {str(one["event"]["series"]) for one in listed} >= {"lake", "s0"}
    for one in listed:
        code, out, _ = run(capsys, "explain", str(one["alarm"]), "--state", str(state), "--json")
        told = json.loads(out)
        assert (code, told["replay"]["differences"], told["missing"]) == (0, [], None)
        if one["event"]["series"] != "lake":
            assert told["receipt"]["e_value"] >= 1.0 / told["event"]["alpha"]
            assert told["course"]["gathered_ticks"] > 0
            assert len(told["receipt"]["digest"]) == 16
            assert told["receipt"]["inputs"]["last"] == told["event"]["time"]
        code, out, _ = run(capsys, "explain", str(one["alarm"]), "--state", str(state))
        assert code == 0
        assert "the same numbers, bit for bit" in out
        assert ("open" in out.splitlines()[0]) == one["open"]
        code, out, _ = run(capsys, "replay", str(one["alarm"]), "--state", str(state))
        assert code == 0
        assert out.endswith("the same as was sent, bit for bit\n")


def test_the_page_of_the_daemon_says_what_the_command_says_or_that_it_takes_too_long(capsys, state: Path) -> None:
    alarm = str(alarms(capsys, state)[0]["alarm"])
    _, out, _ = run(capsys, "explain", alarm, "--state", str(state))
    assert explanation(state, alarm) == out.rstrip()
    assert "both sides" in out
    hurried = " ".join(explanation(state, alarm, seconds=0.0).split())
    assert "what was claimed" in hurried
    assert "both sides, the state's digest: it takes too long" in hurried


def test_the_time_that_a_page_has_covers_reading_the_events_as_well(
    capsys, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarm = str(alarms(capsys, state)[0]["alarm"])
    monkeypatch.setattr("sentinel.commands.explain.monotonic", iter((0.0, 30.0)).__next__)
    assert "it takes too long" in " ".join(explanation(state, alarm).split())


@pytest.mark.slow
def test_as_of_tells_what_was_known_then_and_no_more(capsys, state: Path) -> None:
    every = alarms(capsys, state)
    ended = next(one for one in every if not one["open"])
    moments = [f"1970-02-{11 + at // 24:02}T{at % 24:02}:30" for at in range(40)]
    known = [alarms(capsys, state, "--as-of", moment) for moment in moments]
    counts = [len(then) for then in known]
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert counts[-1] == len(every)
    seen = [one["open"] for then in known for one in then if one["alarm"] == ended["alarm"]]
    assert seen == sorted(seen, reverse=True)
    assert seen[0]


@pytest.mark.slow
def test_an_alarm_is_found_by_every_name_that_its_series_had(capsys, tmp_path: Path) -> None:
    """Bug: a renamed series had open alarms in the list, and could be neither explained nor acknowledged."""
    rig = Rig(tmp_path)
    rig.feed(frame(0, 200))
    rig.engine.ask({"action": "renamed", "series": "s0", "to": "north"})
    rig.feed()
    rig.journal.close()
    for name in ("s0", "north"):
        code, out, _ = run(capsys, "explain", name, "--state", str(tmp_path))
        assert code == 0
        assert "of s0, now north: open" in out
        assert "bit for bit" in out
    code, out, _ = run(capsys, "series", "acknowledge", "north", "--state", str(tmp_path), "--by", "me")
    assert (code, out.count("is acknowledged by me")) == (0, 1)


@pytest.mark.slow
def test_it_works_while_the_daemon_holds_the_folder(capsys, tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 200))
    assert run(capsys, "explain", "s0", "--state", str(tmp_path))[0] == 0


def test_an_unknown_alarm_a_short_beginning_and_a_wrong_moment_are_faults_of_usage(capsys, state: Path) -> None:
    for arguments, said in (
        (("explain", "nothing"), "knows no alarm"),
        (("explain", "S"), "no series in alarm of that name; s0, s1, s2 are known; `sentinel explain"),
        (("explain", str(alarms(capsys, state)[0]["alarm"])[:2]), "knows no alarm"),
        (("explain", "s0", "--as-of", "yesterday"), "ISO 8601"),
        (("replay", "s0", "--out", "x"), "--out"),
        (("replay",), "--out DIR is needed"),
    ):
        code, _, err = run(capsys, *arguments, "--state", str(state))
        assert code == 2
        assert said in err


@pytest.mark.slow
def test_a_number_that_the_journal_does_not_give_is_reported_with_exit_code_1(capsys, tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 200))
    rig.journal.close()
    with sqlite3.connect(tmp_path / "sentinel.db") as connection:
        connection.execute("UPDATE event SET body = json_set(body, '$.evidence', 0.5) WHERE body LIKE '%raised%'")
    connection.close()
    code, out, _ = run(capsys, "replay", "s0", "--state", str(tmp_path))
    assert code == 1
    assert "differs: evidence: 0.5 was sent" in out
    assert "DIFFERS" in run(capsys, "explain", "s0", "--state", str(tmp_path))[1]


@pytest.mark.slow
def test_where_the_journal_no_longer_reaches_back_the_event_is_explained_and_the_rest_is_said_to_be_missing(
    capsys, tmp_path: Path
) -> None:
    rig = Rig(tmp_path)
    rig.feed(*(frame(at, at + 10) for at in range(0, 230, 10)))
    rig.engine.checkpoint()
    while rig.journal.retention.step(10**18, 10**12):
        pass
    rig.journal.close()
    code, out, _ = run(capsys, "explain", "s0", "--state", str(tmp_path))
    assert code == 0
    assert "null hypothesis" in out
    assert "can no longer be replayed" in " ".join(out.split())
    code, _, err = run(capsys, "replay", "s0", "--state", str(tmp_path))
    assert code == 73
    assert "retention" in err
