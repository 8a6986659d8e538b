"""A bundle gives the number of its alarm as the whole journal does, bit for bit."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from sentinel.commands.main import entry_point
from sentinel.journal import Journal, KeptEvent, Part
from sentinel.runtime.retrace import Trace, retrace
from tests.pipeline.test_renaming import act
from tests.runtime.rig import CHOSEN, VALUES, Rig, frame
from tests.runtime.test_recomputing import QUIET, amend
from tests.runtime.test_retrace import TWO, raised


def bundled(journal: Journal, kept: KeptEvent, target: Path) -> tuple[Trace, Trace]:
    """Replay an alarm from the journal and from its bundle."""
    trace = retrace(journal, kept)
    until = max(kept.batch, kept.body.get("amended", 0))
    journal.bundle(target, Part(kept.body["alarm_id"], trace.from_batch, until, trace.alone))
    with Journal.open(target, read_only=True) as bundle:
        (again,) = raised(bundle)
        assert again == kept
        return trace, retrace(bundle, again)


def assert_same(kept: KeptEvent, whole: Trace, part: Trace) -> None:
    assert part.body == whole.body
    assert (part.digest, part.from_batch, part.differences(kept.body)) == (whole.digest, whole.from_batch, [])


@pytest.mark.parametrize("chosen", [CHOSEN, pytest.param(TWO, marks=pytest.mark.slow)], ids=["alone", "compared"])
def test_alarms_of_series_comparisons_and_sites(chosen, tmp_path: Path) -> None:
    rig = Rig(tmp_path, chosen)
    rig.feed(*(frame(at, at + 16) for at in range(0, 400, 16)))
    found = raised(rig.journal)
    names = {kept.body["series"] for kept in found}
    assert names >= ({"s0", "s1", "s2", "lake"} if chosen is TWO else {"s0", "s1", "s2"})
    for number, kept in enumerate(found):
        assert_same(kept, *bundled(rig.journal, kept, tmp_path / f"{number}.bundle"))


def test_of_a_series_alone_it_has_no_values_of_others(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(*(frame(at, at + 16) for at in range(0, 400, 16)))
    kept = raised(rig.journal)[0]
    bundled(rig.journal, kept, tmp_path / "a.bundle")
    with Journal.open(tmp_path / "a.bundle", read_only=True) as bundle:
        found = {name for table in bundle.observations() for name in table["series"].to_list()}
        assert found == {kept.body["series"]}
        assert max(committed.batch for committed in bundle.tail(0)) == kept.batch
    assert not (tmp_path / "a.bundle-wal").exists()


@pytest.mark.slow
def test_where_the_beginning_is_forgotten_the_checkpoint_comes_with_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(*(frame(at, at + 10) for at in range(0, 120, 10)))
    early = raised(rig.journal)
    rig.engine.checkpoint()
    rig.feed(*(frame(at, at + 10) for at in range(120, 400, 10)))
    late = [kept for kept in raised(rig.journal) if kept not in early]
    while rig.journal.retention.step(10**18, 10**12):
        pass
    whole, part = bundled(rig.journal, late[0], tmp_path / "a.bundle")
    assert whole.from_batch > 0
    assert_same(late[0], whole, part)


def test_of_a_series_that_was_renamed(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 60))
    act(rig, "renamed", "s0", "new s0")
    rig.feed(frame(60, 400))
    found = [kept for kept in raised(rig.journal) if kept.body["series"] == "new s0"]
    assert found
    assert_same(found[-1], *bundled(rig.journal, found[-1], tmp_path / "a.bundle"))


@pytest.mark.slow
def test_of_an_alarm_that_corrected_values_raised(tmp_path: Path) -> None:
    known = VALUES.copy()
    known[:, 2] = QUIET
    rig = Rig(tmp_path)
    rig.feed(frame(0, 240, known))
    known[:, 2] = VALUES[:, 2]
    rig.feed(frame(0, 240, known))
    amend(rig, tmp_path)
    found = [kept for kept in raised(rig.journal) if "amended" in kept.body]
    assert found
    assert_same(found[-1], *bundled(rig.journal, found[-1], tmp_path / "a.bundle"))


def test_the_command_writes_and_reads_it_and_finds_what_was_changed(tmp_path: Path, capsys) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 400))
    kept = raised(rig.journal)[0]
    alarm, bundle = kept.body["alarm_id"], tmp_path / "elsewhere.bundle"
    command = ["replay", alarm, "--state", str(tmp_path), "--bundle", str(bundle)]
    assert entry_point(command) == 0
    assert entry_point(["replay", str(bundle)]) == 0
    assert "the same as was sent, bit for bit" in capsys.readouterr().out
    assert entry_point(command) != 0
    assert "there is a file already" in capsys.readouterr().err
    with sqlite3.connect(bundle) as changed:
        ((body,),) = changed.execute("SELECT body FROM event WHERE id LIKE '%raised'")
        lag1 = kept.body["lag1"]
        changed.execute(
            "UPDATE event SET body = ? WHERE id LIKE '%raised'",
            (body.replace(repr(lag1), repr(float(np.nextafter(lag1, 9.0)))),),
        )
    assert entry_point(["replay", str(bundle)]) == 1
    assert "differs: lag1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty"), (b"time,value\n", "not a journal of sentinel"), (None, "no file, as a bundle is")],
)
def test_what_is_no_bundle_is_refused(content: bytes | None, said: str, tmp_path: Path, capsys) -> None:
    path = tmp_path / "a.bundle"
    if content is not None:
        path.write_bytes(content)
    assert entry_point(["replay", str(path)]) != 0
    assert said in capsys.readouterr().err
