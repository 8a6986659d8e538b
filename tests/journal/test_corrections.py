"""Provisional values that are approved later: both stay in the journal, with when each became known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.commands.main import entry_point
from sentinel.domain.observation import OBSERVATIONS, Frame
from sentinel.journal import Journal
from tests.laws import examples

HOUR_US = 3_600_000_000
Told = list[tuple[int, int, float]]


def frame(told: Told) -> Frame:
    rows = [(f"s{series}", hour * HOUR_US, value) for hour, series, value in told]
    return Frame("river", pl.DataFrame(rows, schema=OBSERVATIONS, orient="row"), {"told": len(told)})


frames = st.lists(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.sampled_from([1.0, 1.5, 2.0, -0.25])), max_size=20),
    max_size=8,
)


@pytest.mark.slow
@settings(max_examples=examples(25, 60))
@given(frames, st.sets(st.integers(0, 7)))
def test_the_first_value_stands_and_the_last_one_known_is_the_last_one_told(
    tmp_path_factory: pytest.TempPathFactory, told: list[Told], restarts: set[int]
) -> None:
    """Whatever is told again, and wherever it is stopped; and what is told again says nothing new."""
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal.open(folder)
    first: dict[tuple[int, str], float] = {}
    last: dict[tuple[int, str], float] = {}
    for at, each in enumerate(told):
        if at in restarts:
            journal.close()
            journal = Journal.open(folder)
        journal.commit(frame(each), at)
        for hour, series, value in each:
            first.setdefault((hour * HOUR_US, f"s{series}"), value)
            last[hour * HOUR_US, f"s{series}"] = value
        again = journal.commit(frame(each[-1:]), at)
        assert (again.value.size, again.corrections[0].size) == (0, 0)
    names = [name for _, name, _ in journal.series()]
    found: dict[tuple[int, str], float] = {}
    latest: dict[tuple[int, str], float] = {}
    for batch in journal.tail(0):
        for rows, into in (
            ((batch.time_us, batch.series, batch.value), (found, latest)),
            (batch.corrections, (latest,)),
        ):
            for time_us, series, value in zip(*(column.tolist() for column in rows), strict=True):
                for each_into in into:
                    each_into[time_us, names[series]] = value
    journal.close()
    assert found == first
    assert latest == last


@pytest.mark.slow
@settings(max_examples=examples(12, 40), deadline=None)
@given(frames, st.sets(st.integers(0, 7)))
def test_corrections_that_retention_forgot_are_forgotten_as_by_a_restart(
    tmp_path_factory: pytest.TempPathFactory, told: list[Told], checkpoints: set[int]
) -> None:
    """Bug: they stayed in memory for ever, and a value that came anew was taken for a correction, besides."""
    journals = [Journal.open(tmp_path_factory.mktemp(name)) for name in ("running", "restarted")]
    for at, each in enumerate(told):
        came = [journal.commit(frame(each), at) for journal in journals]
        for one, other in zip(came[0].corrections, came[1].corrections, strict=True):
            assert np.array_equal(one, other)
        if at not in checkpoints or came[0].batch < 0:
            continue
        for journal in journals:
            journal.checkpoints.save({}, {}, batch=came[0].batch, created_us=at)
            while journal.retention.step(1 << 62, 1 << 62):
                pass
        folder = Path(journals[1]._database.path).parent
        journals[1].close()
        journals[1] = Journal.open(folder)
    kept = len(journals[0].corrections().batch)
    assert len(journals[0]._corrections._latest or {}) <= kept
    for journal in journals:
        journal.close()


def test_approved_values_are_shown_with_when_they_came(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As an agency does: provisional every hour, approved weeks later, and both again whenever it is asked."""
    provisional = [(hour, 0, 5.0) for hour in range(48)]
    approved = [(hour, 0, 5.0 if hour < 40 else 4.0) for hour in range(48)]
    with Journal.open(tmp_path) as journal:
        journal.commit(frame(provisional), 48 * HOUR_US)
        for _ in range(3):
            journal.commit(frame(approved), 2_000 * HOUR_US)
    assert entry_point(["journal", "show", "--state", str(tmp_path), "--corrections"]) == 0
    shown = pl.read_csv(capsys.readouterr().out.encode(), try_parse_dates=True)
    assert shown.height == 8
    assert shown["value"].unique().to_list() == [4.0]
    assert (shown["arrived"].dt.epoch("us") == 2_000 * HOUR_US).all()
    assert np.array_equal(shown["time"].dt.epoch("us"), np.arange(40, 48) * HOUR_US)
