"""`sentinel replay`: run a journal from its first batch through the machine that the daemon runs.

Rows, alarms and pictures are those of the daemon that wrote the journal, for only the journal moved its state.
"""

from __future__ import annotations

import argparse
import shlex
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sentinel.analysis.readings import Readings, alarm_table, slice_by_series
from sentinel.analysis.record import match_cleared
from sentinel.analysis.run import half_life
from sentinel.commands.explain import choose, known_alarms
from sentinel.commands.main import folder_for, writing
from sentinel.config import Settings, load, with_events
from sentinel.domain.errors import DataError, UsageError
from sentinel.domain.events import WITHDRAWN, AlarmEvent
from sentinel.domain.observation import INSTANT, CalendarAxis
from sentinel.domain.spans import moment_in_words, print_size
from sentinel.journal import Journal, Part, group_joined
from sentinel.pipeline.history import Portrait
from sentinel.pipeline.pipeline import Result
from sentinel.runtime.amending import CONFIRMED, RAISED, amend
from sentinel.runtime.replica import Replica
from sentinel.runtime.retrace import retrace
from sentinel.views.picture.figure import Figure, draw


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
        for joined in group_joined(journal.tail(0)):
            if not (fixed and joined[0].kind == "settings"):
                yield machine.apply(*joined, rows=True)


def main(args: argparse.Namespace) -> int:
    """Replay one alarm, or else write `readings.parquet` and `alarms.csv`, as `backtest` does, from the journal."""
    is_bundle = args.state is None and args.alarm is not None and Path(args.alarm).is_file()
    if args.state is None and not is_bundle:
        given = "" if args.alarm is None else f"; {args.alarm} is no file, as a bundle is"
        raise UsageError(f"replay: --state DIR is needed, the state folder of the daemon{given}")
    folder = Path(args.alarm if is_bundle else args.state)
    if args.alarm is not None:
        if args.out or args.config:
            raise UsageError("replay ALARM: --out and --config are for the whole journal; leave them out, or ALARM")
        return _replay_alarm(folder, None if is_bundle else args.alarm, Path(args.bundle) if args.bundle else None)
    if args.bundle:
        raise UsageError("replay --bundle: it holds one alarm; say which, as `sentinel explain` lists them")
    if args.corrected:
        return _replay_corrected(folder)
    if not args.out:
        raise UsageError("replay: --out DIR is needed, or an ALARM whose number is reproduced")
    fixed = with_events(load(Path(args.config))) if args.config else None
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


def _replay_corrected(folder: Path) -> int:
    """Say of each alarm whether it stands with the values that are known now."""
    with Journal.open(folder, read_only=True) as journal:
        found = amend(journal)
    for one in found:
        body = one.body
        print(f"{one.verdict}: alarm {body['alarm_id']} of {body['series']}, {moment_in_words(body['time_us'])}")
    counts = Counter(one.verdict for one in found)
    print(", ".join(f"{counts[verdict]:,} {verdict}" for verdict in (CONFIRMED, WITHDRAWN, RAISED)))
    return 0


def _replay_alarm(folder: Path, text: str | None, bundle: Path | None) -> int:
    """Compute an alarm anew from the journal; 1 if what follows from it is not what was sent.

    Without `text` it is the only one of a bundle. `bundle` is where one is to be written.
    """
    with Journal.open(folder, read_only=True) as journal:
        alarms = known_alarms(journal)
        if text is None and len(alarms) != 1:
            raise UsageError(f"replay {folder}: holds {len(alarms):,} alarms, a bundle one; say which, with --state")
        kept = alarms[0].kept if text is None else choose(alarms, text, folder).kept
        trace = retrace(journal, kept)
        if bundle is not None:
            until = max(kept.batch, kept.body.get("amended", 0))
            journal.bundle(bundle, Part(kept.body["alarm_id"], trace.from_batch, until, trace.alone))
    body, differences = kept.body, trace.differences(kept.body)
    begun = "the journal's beginning" if trace.from_batch == 0 else f"the checkpoint after batch {trace.from_batch}"
    print(f"alarm {body['alarm_id']} of {body['series']}: {trace.batches:,} batches replayed from {begun}")
    for line in differences:
        print(f"differs: {line}")
    if trace.body is not None:
        names = ("evidence", "e_value", "threshold", "lag1", "lag1_low", "lag1_high")
        print(", ".join(f"{name} {trace.body[name]!r}" for name in names if trace.body[name] is not None))
    if trace.digest:
        print(f"state digest {trace.digest} after the alarm's tick")
    if bundle is not None:
        print(f"{bundle}: {print_size(bundle.stat().st_size)}; `sentinel replay {shlex.quote(str(bundle))}` reads it")
    if differences:
        print(
            "the journal gives another alarm than the one that was sent: another version of sentinel, or a changed file"
        )
        return 1
    print("the same as was sent, bit for bit")
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
