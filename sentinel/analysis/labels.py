"""Labelled events: a file that says what happened, and what that means for each moment of a record.

The file has the columns `series`, `time`, `kind`; times are written as in the data. What happened to a series holds
for its comparison with a counterpart (`peter/ph - paul/ph`) as well, unless that has labels under its own name. Kinds:

- `transition`: the event itself, such as the day a bloom crossed its threshold.
- `start`: from here on slowing may be expected, such as the day fertilisation began.
- `end`: the event, or the period since `start`, is over; from here on the series is judged anew.
- `control`: nothing is going on; without a time in the whole series, with one from then on.

A record is cut at its labels. A moment belongs to the stretch that begins at or before it; the moment of an alarm and
of a tick is the end of the tick, when it was known.

| stretch | where | an alarm in it is |
|---|---|---|
| quiet | a control; after `end`; before the first `start` | false |
| expected | from `start` to `transition` (without a `start`: from the `end` before, or from the beginning) | true |
| late | from `transition` to `end` or the next `start` | late: no warning |
| open | from `start` to `end`, a control or the record's end, without a `transition` | neither: no event came |
| unknown | before a `control` or an `end` that comes first | not judged |

A `start` right after the only transition, with none before it, is refused: the two were exchanged, and nothing would be
judged against the one that is meant. A second spell without an event begins with an `end` of the first.

Series without a label are not judged, nor are those that no alarm rule watches: they can neither find an event nor be
wrong.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import polars as pl

from sentinel.analysis.record import SeriesRecord
from sentinel.config import or_else
from sentinel.domain.errors import DataError
from sentinel.domain.observation import NumberAxis
from sentinel.domain.printing import some_of
from sentinel.pipeline.arrays import Flags, Ints
from sentinel.tables import TableOptions, open_table
from sentinel.tables.cells import MORE, ROW, number
from sentinel.tables.times import instant, stamp_text

COLUMNS = ("series", "time", "kind")


class LabelKind(Enum):
    """Kind of a label; the value is the word in the file."""

    TRANSITION = "transition"
    START = "start"
    END = "end"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Label:
    """One row of a file of labelled events."""

    where: str
    """File and row, for messages."""
    series: str
    kind: LabelKind
    time: float | None
    """Microseconds since 1970-01-01 UTC, or the owner's number on a numbered axis; None = the whole series."""
    written: str
    """The time as it stands in the file."""


class Phase(Enum):
    """Kind of a stretch; the value is the verdict on an alarm in it."""

    QUIET = "false alarm"
    EXPECTED = "true alarm"
    LATE = "late alarm"
    OPEN = "no event"
    UNKNOWN = "not judged"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of a record; times in microseconds on the series' own axis."""

    phase: Phase
    begin_us: int
    end_us: int
    """The first moment that no longer belongs to it; the transition, of an expected stretch."""
    started: bool = False
    """True if it begins with a `start`, or only where nothing else is known."""

    def holds(self, moments: Ints) -> Flags:
        """Tell which moments belong to it."""
        return np.asarray((moments >= self.begin_us) & (moments < self.end_us))


@dataclass(frozen=True, slots=True)
class Timeline:
    """The stretches of one series, in order and without holes."""

    stretches: tuple[Stretch, ...]
    control: bool
    """True if any of it is labelled as a control."""

    def at(self, time_us: int) -> Stretch:
        """Find the stretch to which a moment belongs."""
        return self.stretches[max(0, bisect_right([s.begin_us for s in self.stretches], time_us) - 1)]

    def quiet(self, moments: Ints) -> Flags:
        """Tell at which moments nothing is going on."""
        quiet = [stretch.holds(moments) for stretch in self.stretches if stretch.phase is Phase.QUIET]
        return np.any(quiet, axis=0) if quiet else np.zeros(moments.size, np.bool_)


_PHASES = {
    (None, None): Phase.UNKNOWN,
    (None, LabelKind.START): Phase.QUIET,
    (None, LabelKind.TRANSITION): Phase.EXPECTED,
    (LabelKind.START, None): Phase.OPEN,
    (LabelKind.START, LabelKind.TRANSITION): Phase.EXPECTED,
    (LabelKind.TRANSITION, None): Phase.LATE,
    (LabelKind.END, None): Phase.QUIET,
    (LabelKind.END, LabelKind.TRANSITION): Phase.EXPECTED,
    (LabelKind.CONTROL, None): Phase.QUIET,
}
"""The phase between two labels; what is not named is as with no label after."""
_CONTRADICTIONS = {
    (LabelKind.START, LabelKind.START): "an end or a transition is needed between",
    (LabelKind.TRANSITION, LabelKind.TRANSITION): "an end or a start is needed between",
    (LabelKind.END, LabelKind.END): "there is nothing between that could end",
    (LabelKind.CONTROL, LabelKind.END): "there is nothing between that could end",
    (LabelKind.CONTROL, LabelKind.TRANSITION): "a start between says when the quiet time was over",
}
"""Labels that cannot follow each other, and what is needed between them."""
_PRECEDENCE = {LabelKind.END: 0, LabelKind.CONTROL: 1, LabelKind.START: 2, LabelKind.TRANSITION: 3}
"""Order of labels at the same moment: what was before ends first."""


def read_labels(path: Path, options: TableOptions, names: Sequence[str], *, numbered: bool) -> list[Label]:
    """Read a file of labelled events, written as the data are, whose series have these names.

    Raises DataError: no file, a column or all rows missing; a row with an unknown series or kind, or no or a bad time;
    a row twice.
    """
    table = open_table(path, options)
    schema = table.collect_schema()
    for column in COLUMNS:
        if column not in schema:
            came = ", ".join(name for name in schema if name not in (ROW, MORE))
            raise DataError(f"{path}: no column {column!r} (there are {came}); series, time and kind are needed")
    cell, dtype = pl.col("time"), schema["time"]
    time = number(cell, dtype, options) if numbered else instant(cell, dtype, options).cast(pl.Int64)
    more = pl.col(MORE) if MORE in schema else pl.lit(None, pl.String)
    rows = table.select(
        pl.col(ROW), more.alias("more"), pl.col("series").cast(pl.String), pl.col("kind").cast(pl.String),
        stamp_text(cell, dtype).str.strip_chars().replace("", None).alias("written"),
        pl.when(time.is_finite()).then(time).alias("time") if numbered else time.alias("time"),
    ).collect()  # fmt: skip
    if rows.is_empty():
        raise DataError(f"{path}: the table has no rows; at least one event is needed")
    first: dict[object, Label] = {}
    for label in _check_rows(rows, str(path), names, numbered=numbered):
        same = first.setdefault((label.series, label.kind, label.time), label)
        if same is not label:
            raise DataError(f"{label.where}: the same event as in {same.where.rpartition(', ')[2]}; once is allowed")
    return list(first.values())


def _check_rows(rows: pl.DataFrame, path: str, names: Sequence[str], *, numbered: bool) -> Iterator[Label]:
    kinds = {kind.value: kind for kind in LabelKind}
    known = set(names)
    for row in rows.iter_rows(named=True):
        where = f"{path}, row {row[ROW] + 1}"
        series, written = (row["series"] or "").strip(), row["written"]
        if row["more"] is not None:
            raise DataError(f"{where}: more fields than the header names; series, time and kind are needed")
        if series not in known:
            raise DataError(f"{where}: no series {series!r} in the data; {or_else(series, names[:20], 'series')}")
        word = (row["kind"] or "").strip()
        if word not in kinds:
            raise DataError(f"{where}: {word!r} is no kind of event; {or_else(word, kinds, 'kinds')}")
        if written is None and kinds[word] is not LabelKind.CONTROL:
            raise DataError(f"{where}: a {word} without a time; only a control may have none")
        if written is not None and row["time"] is None:
            allowed = "a number is allowed, as in the data" if numbered else "times are written as in the data"
            raise DataError(f"{where}: {written!r} is not a time; {allowed}")
        yield Label(where, series, kinds[word], row["time"], written or "")


def make_timelines(labels: Sequence[Label], records: Sequence[SeriesRecord]) -> dict[str, Timeline]:
    """Make the timeline of every labelled series that an alarm rule watches, in the order of the data.

    Raises DataError: an event outside of its series' record, labels of a series that contradict each other, or no rule
    for any.
    """
    by_series: dict[str, list[Label]] = {}
    for label in labels:
        by_series.setdefault(label.series, []).append(label)
    found = {}
    for record in records:
        if own := by_series.get(record.name) or by_series.get(record.target or ""):
            timeline = _make_timeline(own, record)  # checked even if nothing watches it
            if is_watched(record):
                found[record.name] = timeline
    if not found:
        wanted = "label a series that a rule in alarms matches"
        raise DataError(f"{labels[0].where}: no alarm rule watches {some_of(by_series, 3)}; {wanted}")
    return found


def is_watched(record: SeriesRecord) -> bool:
    """True if some rule can raise an alarm on a series."""
    return record.plan is not None and bool(record.plan.rules)


def _make_timeline(labels: Sequence[Label], record: SeriesRecord) -> Timeline:
    if record.plan is None:
        raise DataError(f"{labels[0].where}: series {record.name!r} has no tick; at least two time stamps are needed")
    # The end of the last tick is a moment of the record, too.
    begin_us, end_us = record.first_us - record.plan.cadence_us // 2, record.end_us + 1
    whole = next((label for label in labels if label.time is None), None)
    if whole is not None:
        for other in labels:
            if other is not whole:
                raise DataError(
                    f"{other.where}: series {record.name!r} is a control in all of its record; give the control the "
                    "time from which on nothing is going on"
                )
        return Timeline((Stretch(Phase.QUIET, begin_us, end_us),), control=True)
    moments = {label: _moment(label, record, begin_us, end_us) for label in labels}
    ordered = sorted(labels, key=lambda label: (moments[label], _PRECEDENCE[label.kind]))
    _refuse_exchanged(ordered)
    stretches = []
    before: Label | None = None
    since_us = begin_us
    for after in (*ordered, None):
        until_us = end_us if after is None else moments[after]
        kind, following = (None if label is None else label.kind for label in (before, after))
        if before is not None and after is not None and (needed := _CONTRADICTIONS.get((before.kind, after.kind))):
            raise DataError(
                f"{after.where}: {after.kind.value} of {after.series!r} follows the {before.kind.value} of "
                f"{before.written}; {needed}"
            )
        if until_us > since_us:
            phase = _PHASES.get((kind, following)) or _PHASES[kind, None]
            started = before is not None and before.kind is LabelKind.START
            stretches.append(Stretch(phase, since_us, until_us, started))
        before, since_us = after, until_us
    return Timeline(tuple(stretches), any(label.kind is LabelKind.CONTROL for label in labels))


def _refuse_exchanged(ordered: Sequence[Label]) -> None:
    """Refuse a start that follows the only transition and that none precedes."""
    kinds = [label.kind for label in ordered]
    if kinds.count(LabelKind.TRANSITION) != 1:
        return
    at = kinds.index(LabelKind.TRANSITION)
    if kinds[at + 1 : at + 2] == [LabelKind.START] and LabelKind.START not in kinds[:at]:
        event, start = ordered[at], ordered[at + 1]
        raise DataError(
            f"{start.where}: start of {start.series!r} at {start.written} comes after its only transition of "
            f"{event.written}; a start is allowed before its transition, or after an end or a control"
        )


def _moment(label: Label, record: SeriesRecord, begin_us: int, end_us: int) -> int:
    assert label.time is not None
    axis = record.axis
    moment = int(axis.microseconds(np.array([label.time]))[0]) if isinstance(axis, NumberAxis) else int(label.time)
    if not begin_us <= moment < end_us:
        raise DataError(
            f"{label.where}: {label.kind.value} at {label.written} is outside of the data of {record.name!r}; they "
            f"span {record.moment(record.first_us)} to {record.moment(record.last_us)}"
        )
    return moment
