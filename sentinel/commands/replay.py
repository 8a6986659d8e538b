"""`sentinel replay`: run a journal from its first batch through the machine that the daemon runs.

Rows, alarms and pictures are those of the daemon that wrote the journal, for only the journal moved its state.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sentinel.analysis.readings import INSTANT, Readings, alarm_table, slice_by_series
from sentinel.analysis.record import match_cleared
from sentinel.analysis.run import half_life
from sentinel.commands.main import folder_for, writing
from sentinel.config import Settings, load
from sentinel.domain.errors import DataError
from sentinel.domain.events import AlarmEvent
from sentinel.domain.observation import CalendarAxis
from sentinel.journal import Journal
from sentinel.pipeline.history import Portrait
from sentinel.pipeline.pipeline import Result
from sentinel.runtime.replica import Replica
from sentinel.views.picture import Figure, draw


@dataclass(slots=True)
class Replay:
    """The content of a journal: events, histories for pictures, and the replica after the last batch."""

    machine: Replica
    events: list[AlarmEvent] = field(default_factory=list)
    portraits: dict[str, Portrait] = field(default_factory=dict)

    def figure(self, name: str, title: str = "") -> Figure:
        """Draw the stability spectrogram of one series; KeyError if it has no ticks yet."""
        columns = self.portraits[name].columns()
        if columns is None:
            raise KeyError(name)
        state = self.machine.state
        plan, _ = state.keys[state.cohort_of[state.names.index(name)]]
        alarms = match_cleared(event for event in self.events if event.series == name)
        thresholds = self.machine.pipeline.cohort(plan).scoring.thresholds
        return draw(columns, CalendarAxis(), thresholds, plan.cadence_us, plan.rules, alarms, title=title or name)


def results(folder: Path, machine: Replica, *, fixed: bool = False) -> Iterator[Result]:
    """Let every batch of the journal in `folder` move the machine, and yield what each gave, with rows.

    With `fixed` the machine keeps its own settings, whatever the journal recorded.

    Raises StateError: there is no journal, or its beginning has been forgotten (retention).
    """
    with Journal.open(folder, read_only=True) as journal:
        for committed in journal.tail(0):
            if not (fixed and committed.kind == "settings"):
                yield machine.apply(committed, rows=True)


def main(args: argparse.Namespace) -> int:
    """Write `readings.parquet` and `alarms.csv`, as `backtest` does, from the journal in a state folder."""
    folder = Path(args.state)
    fixed = load(Path(args.config)) if args.config else None
    machine = Replica(fixed or Settings())
    axes: defaultdict[int, CalendarAxis] = defaultdict(CalendarAxis)
    events: list[AlarmEvent] = []
    out = folder_for(Path(args.out))
    with writing(out), tempfile.TemporaryDirectory(dir=out) as temporary:
        readings = Readings(Path(temporary))
        written = 0
        for result in results(folder, machine, fixed=fixed is not None):
            events.extend(result.events)
            if result.rows is not None:
                readings.expect(machine.state.names, mixed=True)
                readings.write(result.rows, axes, partial(half_life, machine.state))
                written += result.rows.series.size
        if not written:
            raise DataError(f"{folder}: the journal holds no closed tick; let the daemon run longer")
        readings.lazy().sort("series", "time").sink_parquet(out / "readings.parquet")
        alarms = alarm_table(events, dict.fromkeys((e.series for e in events), CalendarAxis()))
        alarms.write_csv(out / "alarms.csv", datetime_format=INSTANT)
    raised = f"{alarms.height:,} alarm{'' if alarms.height == 1 else 's'}"
    print(f"{written:,} ticks of {len(machine.state.names)} series, {raised}: {out}")
    return 0


def replay(folder: Path) -> Replay:
    """Replay the journal in a state folder; it may be in use."""
    found = Replay(Replica(Settings()))
    for result in results(folder, found.machine):
        found.events.extend(result.events)
        if result.rows is not None:
            for number, part in slice_by_series(result.rows.series):
                name = found.machine.state.names[number]
                found.portraits.setdefault(name, Portrait()).extend(result.rows, part)
    return found
