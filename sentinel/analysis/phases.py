"""What the labels of a series mean for each moment of its record: quiet, expected, late, or not judged.

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

A paired series has the labels of its target, unless it is labelled itself. Series without a label are not judged, nor
are those that no alarm rule watches: they can neither find an event nor be wrong.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from sentinel.analysis.labels import Kind, Label
from sentinel.analysis.record import SeriesRecord
from sentinel.domain.axis import NumberAxis
from sentinel.domain.errors import DataError


class Phase(Enum):
    """What is going on; the value is what an alarm then is."""

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
    """Whether it begins with a `start`, or only where nothing else is known."""

    def holds(self, moments: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which moments belong to it."""
        return np.asarray((moments >= self.begin_us) & (moments < self.end_us))


@dataclass(frozen=True, slots=True)
class Timeline:
    """The stretches of one series, in order and without holes."""

    stretches: tuple[Stretch, ...]
    control: bool
    """Whether any of it is labelled as a control."""

    def at(self, time_us: int) -> Stretch:
        """The stretch to which a moment belongs."""
        return self.stretches[max(0, bisect_right([s.begin_us for s in self.stretches], time_us) - 1)]

    def quiet(self, moments: NDArray[np.int64]) -> NDArray[np.bool_]:
        """At which moments nothing is going on."""
        found = np.zeros(moments.size, np.bool_)
        for stretch in self.stretches:
            if stretch.phase is Phase.QUIET:
                found |= stretch.holds(moments)
        return found


def timelines(labels: Sequence[Label], records: Sequence[SeriesRecord]) -> dict[str, Timeline]:
    """The timeline of every labelled series that an alarm rule watches, in the order of the data.

    Raises
    ------
    DataError
        An event outside of its series' record, labels of a series that contradict each other, or no rule for any.
    """
    by_series: dict[str, list[Label]] = {}
    for label in labels:
        by_series.setdefault(label.series, []).append(label)
    found = {}
    for record in records:
        own = by_series.get(record.name) or by_series.get(record.target or "")
        if own:
            timeline = _timeline(own, record)
            if watched(record):
                found[record.name] = timeline
    if not found:
        named = ", ".join(list(by_series)[:3]) + (", ..." if len(by_series) > 3 else "")
        raise DataError(
            f"{labels[0].where}: no alarm rule watches {named}; label a series that a rule in alarms matches"
        )
    return found


def watched(record: SeriesRecord) -> bool:
    """Whether some rule can raise an alarm on a series."""
    return record.plan is not None and bool(record.plan.rules)


def _timeline(labels: Sequence[Label], record: SeriesRecord) -> Timeline:
    if record.plan is None:
        raise DataError(f"{labels[0].where}: series {record.name!r} has no tick; at least two time stamps are needed")
    # The end of the last tick is a moment of the record, too.
    begin_us, end_us = record.first_us - record.plan.cadence_us // 2, record.end_us + 1
    whole = [label for label in labels if label.time is None]
    if whole:
        if len(labels) > 1:
            other = next(label for label in labels if label is not whole[0])
            raise DataError(
                f"{other.where}: series {record.name!r} is a control in all of its record; give the control the time "
                "from which on nothing is going on"
            )
        return Timeline((Stretch(Phase.QUIET, begin_us, end_us),), control=True)
    moments = {label: _moment(label, record, begin_us, end_us) for label in labels}
    ordered = sorted(labels, key=lambda label: (moments[label], _ORDER[label.kind]))
    _refuse_exchanged(ordered)
    return Timeline(_stretches(ordered, moments, begin_us, end_us), any(o.kind is Kind.CONTROL for o in labels))


def _refuse_exchanged(ordered: Sequence[Label]) -> None:
    """Refuse a start that follows the only transition and that none precedes."""
    kinds = [label.kind for label in ordered]
    if kinds.count(Kind.TRANSITION) != 1:
        return
    at = kinds.index(Kind.TRANSITION)
    if kinds[at + 1 : at + 2] == [Kind.START] and Kind.START not in kinds[:at]:
        event, start = ordered[at], ordered[at + 1]
        raise DataError(
            f"{start.where}: start of {start.series!r} at {start.written} comes after its only transition of "
            f"{event.written}; a start is allowed before its transition, or after an end or a control"
        )


_ORDER = {Kind.END: 0, Kind.CONTROL: 1, Kind.START: 2, Kind.TRANSITION: 3}
"""Of labels at the same moment: what was before ends first."""


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


def _stretches(
    labels: Sequence[Label], moments: Mapping[Label, int], begin_us: int, end_us: int
) -> tuple[Stretch, ...]:
    """Cut a record at its labels; each stretch is named by the label before it and the one after it."""
    stretches = []
    before: Label | None = None
    since_us = begin_us
    after: Label | None
    for after in (*labels, None):
        until_us = end_us if after is None else moments[after]
        phase = _phase(before, after)
        if until_us > since_us:
            started = before is not None and before.kind is Kind.START
            stretches.append(Stretch(phase, since_us, until_us, started))
        before, since_us = after, until_us
    return tuple(stretches)


def _phase(before: Label | None, after: Label | None) -> Phase:
    """What is going on between two labels, or before the first, or after the last."""
    kind = None if before is None else before.kind
    following = None if after is None else after.kind
    if kind is Kind.START:
        _refuse(before, after, following is Kind.START, "an end or a transition is needed between")
        return Phase.EXPECTED if following is Kind.TRANSITION else Phase.OPEN
    if kind is Kind.TRANSITION:
        _refuse(before, after, following is Kind.TRANSITION, "an end or a start is needed between")
        return Phase.LATE
    if kind is None:
        known = {Kind.TRANSITION: Phase.EXPECTED, Kind.START: Phase.QUIET}
        return Phase.UNKNOWN if following is None else known.get(following, Phase.UNKNOWN)
    _refuse(before, after, following is Kind.END, "there is nothing between that could end")
    if kind is Kind.CONTROL:
        _refuse(before, after, following is Kind.TRANSITION, "a start between says when the quiet time was over")
        return Phase.QUIET
    return Phase.EXPECTED if following is Kind.TRANSITION else Phase.QUIET


def _refuse(before: Label | None, after: Label | None, wrong: bool, needed: str) -> None:
    if wrong:
        assert before is not None
        assert after is not None
        raise DataError(
            f"{after.where}: {after.kind.value} of {after.series!r} follows the {before.kind.value} of "
            f"{before.written}; {needed}"
        )
