"""What alarms were worth where it is known what happened: True, False, Late, lead, realised and declared budget.

An alarm is judged by the moment at which it was known, the end of its tick, and by that moment alone: an alarm that was
raised in quiet time and is still open when slowing may be expected was False, and the event needs another one. The
*exposure* of quiet data is counted in ticks with a verdict: while a series is learning or blind it can raise no alarm,
and those ticks would only dilute the rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sentinel.analysis.phases import Phase, Stretch, Timeline, watched
from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.ticks import Ticks
from sentinel.domain.axis import STEP_US, NumberAxis
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.events import AlarmEvent
from sentinel.domain.states import State

JUDGING = (State.WATCHING.value, State.WARNING.value, State.CRITICAL.value)
"""States in which a series has a verdict."""


@dataclass(frozen=True, slots=True)
class Event:
    """One labelled transition and what came before it."""

    record: SeriesRecord
    stretch: Stretch
    """The time in which slowing may be expected; it ends with the transition."""
    alarm: AlarmEvent | None
    """The first alarm in that time; None = missed."""
    still_open: bool
    """Whether an alarm of that time was open when the event came."""
    ticks: int
    """Ticks with a verdict in that time."""

    @property
    def all_ticks(self) -> int:
        """Ticks that fit into that time."""
        assert self.record.plan is not None
        return (self.stretch.end_us - self.stretch.begin_us) // self.record.plan.cadence_us

    @property
    def lead(self) -> float:
        """From the first alarm to the event, in seconds or the owner's units; NaN if there was none."""
        return math.nan if self.alarm is None else in_units(self.record, self.stretch.end_us - self.alarm.time_us)


@dataclass(frozen=True, slots=True)
class Judged:
    """One alarm and what it was."""

    record: SeriesRecord
    alarm: AlarmEvent
    phase: Phase
    lead: float
    """To the event, in seconds or the owner's units; NaN unless it was True."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """How much there was to be wrong about."""

    ticks: int
    """Ticks with a verdict in quiet time, of all series together."""
    values: int
    """Ticks with a value in quiet time, those without a verdict included."""
    seconds: float
    """The same as calendar time; of a numbered axis the owner's units."""
    under_alarm: int
    """How many of them passed with an alarm open."""
    budget: float
    """False alarms that were allowed in them: sum of alpha, over the ticks at which a rule could alarm."""


@dataclass(frozen=True, slots=True)
class Skill:
    """Everything that labels say about the alarms of a record."""

    events: tuple[Event, ...]
    alarms: tuple[Judged, ...]
    quiet: Quiet
    numbered: bool
    controls: int
    """Series of which some part is labelled as a control."""
    labelled: int
    unlabelled: int
    """Series that a rule watches and that have no label; they are not judged."""
    unwatched: int = 0
    """Series that no rule watches; they are not judged, whatever their labels."""

    def count(self, phase: Phase) -> int:
        """Number of alarms of one kind."""
        return sum(judged.phase is phase for judged in self.alarms)

    @property
    def detected(self) -> int:
        """Events with an alarm before them."""
        return sum(event.alarm is not None for event in self.events)

    @property
    def moments(self) -> int:
        """Distinct moments among the events; several variables of one site share theirs."""
        return len({event.stretch.end_us for event in self.events})


def in_units(record: SeriesRecord, duration_us: float) -> float:
    """A duration in seconds, or in the owner's units on a numbered axis."""
    if isinstance(record.axis, NumberAxis):
        return duration_us / STEP_US * record.axis.step
    return duration_us / MICROSECONDS


def judged_alarms(records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline]) -> list[Judged]:
    """What each alarm of a labelled series was."""
    found = []
    for record in records:
        for alarm, _ in record.alarms if record.name in timelines else ():
            stretch = timelines[record.name].at(alarm.time_us)
            lead = math.nan
            if stretch.phase is Phase.EXPECTED:
                lead = in_units(record, stretch.end_us - alarm.time_us)
            found.append(Judged(record, alarm, stretch.phase, lead))
    return found


def judged_events(
    records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline], ticks: Mapping[str, Ticks]
) -> list[Event]:
    """What came before each labelled transition; without `ticks` of a series, its ticks count as 0."""
    found = []
    for record in records:
        for stretch in timelines[record.name].stretches if record.name in timelines else ():
            if stretch.phase is not Phase.EXPECTED:
                continue
            before = [
                (alarm, cleared) for alarm, cleared in record.alarms
                if stretch.begin_us <= alarm.time_us < stretch.end_us
            ]  # fmt: skip
            first = min((alarm for alarm, _ in before), key=lambda alarm: alarm.time_us, default=None)
            still_open = any(cleared is None or cleared > stretch.end_us for _, cleared in before)
            own = ticks.get(record.name)
            seen = 0 if own is None else int((stretch.holds(own.end_us) & np.isin(own.state, JUDGING)).sum())
            found.append(Event(record, stretch, first, still_open, seen))
    return found


def measure(records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline], ticks: Mapping[str, Ticks]) -> Skill:
    """Everything that the labels say.

    Parameters
    ----------
    records
        All series, with their alarms.
    timelines, ticks
        Of each labelled series, by name.
    """
    labelled = [record for record in records if record.name in timelines]
    parts = [_quiet(record, timelines[record.name], ticks[record.name]) for record in labelled]
    quiet = Quiet(
        sum(part.ticks for part in parts), sum(part.values for part in parts), sum(part.seconds for part in parts),
        sum(part.under_alarm for part in parts), sum(part.budget for part in parts),
    )  # fmt: skip
    return Skill(
        events=tuple(judged_events(labelled, timelines, ticks)),
        alarms=tuple(judged_alarms(labelled, timelines)),
        quiet=quiet,
        numbered=any(record.axis.numbered for record in labelled),
        controls=sum(timelines[record.name].control for record in labelled),
        labelled=len(labelled),
        unlabelled=sum(watched(record) for record in records) - len(labelled),
        unwatched=sum(not watched(record) for record in records),
    )


def _quiet(record: SeriesRecord, timeline: Timeline, ticks: Ticks) -> Quiet:
    assert record.plan is not None  # a timeline needs ticks
    quiet = timeline.quiet(ticks.end_us)
    in_state = {state: int((quiet & (ticks.state == state)).sum()) for state in JUDGING}
    watching, warning, critical = in_state.values()
    # A rule gathers evidence for a new alarm only while it has none open: a warning leaves that to the critical rules.
    budget = sum(
        rule.alpha * (watching + (warning if rule.severity == "critical" else 0)) for rule in record.plan.rules
    )
    total = watching + warning + critical
    values = int((quiet & ~np.isnan(ticks.value)).sum())
    return Quiet(total, values, in_units(record, total * record.plan.cadence_us), warning + critical, budget)
