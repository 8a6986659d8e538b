"""Judges alarms by labelled events: which were true, false or late, how early, at what realised and declared budget.

An alarm is judged by the moment at which it was known, the end of its tick, and by that moment alone: an alarm that was
raised in quiet time and is still open when slowing may be expected was False, and the event needs another one. The
*exposure* of quiet data is counted in ticks with a verdict: while a series is learning or blind it can raise no alarm,
and those ticks would only dilute the rate.

Intervals are exact: they cover the truth in at least 95 of 100 cases however small the counts are. They take alarms and
events as independent of each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from sentinel.analysis.labels import Phase, Stretch, Timeline, is_watched
from sentinel.analysis.readings import SeriesTicks
from sentinel.analysis.record import SeriesRecord
from sentinel.domain.events import AlarmEvent
from sentinel.domain.states import State

JUDGING = (State.WATCHING.value, State.WARNING.value, State.CRITICAL.value)
"""States in which a series has a verdict."""
CONFIDENCE = 0.95
"""Share of intervals that cover the truth, at least."""


@dataclass(frozen=True, slots=True)
class JudgedEvent:
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
        return math.nan if self.alarm is None else self.record.units(self.stretch.end_us - self.alarm.time_us)


@dataclass(frozen=True, slots=True)
class JudgedAlarm:
    """One alarm and what it was."""

    record: SeriesRecord
    alarm: AlarmEvent
    stretch: Stretch
    """What was going on when it was raised."""

    @property
    def lead(self) -> float:
        """From the alarm to the event, in seconds or the owner's units; NaN unless it was true."""
        true = self.stretch.phase is Phase.EXPECTED
        return self.record.units(self.stretch.end_us - self.alarm.time_us) if true else math.nan


@dataclass(frozen=True, slots=True)
class QuietData:
    """How much quiet data there is, and what happened in it."""

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

    events: tuple[JudgedEvent, ...]
    alarms: tuple[JudgedAlarm, ...]
    quiet: QuietData
    numbered: bool
    controls: int
    """Series of which some part is labelled as a control."""
    labelled: int
    unlabelled: int
    """Series that a rule watches and that have no label; they are not judged."""
    unwatched: int = 0
    """Series that no rule watches; they are not judged, whatever their labels."""

    def count(self, phase: Phase) -> int:
        """Count the alarms in stretches of one phase."""
        return sum(judged.stretch.phase is phase for judged in self.alarms)

    @property
    def detected(self) -> int:
        """Events with an alarm before them."""
        return sum(event.alarm is not None for event in self.events)

    @property
    def moments(self) -> int:
        """Distinct moments among the events; several variables of one site share theirs."""
        return len({event.stretch.end_us for event in self.events})


def judge_alarms(records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline]) -> list[JudgedAlarm]:
    """Judge each alarm of the labelled series by the moment at which it was raised."""
    labelled = [record for record in records if record.name in timelines]
    return [JudgedAlarm(r, alarm, timelines[r.name].at(alarm.time_us)) for r in labelled for alarm, _ in r.alarms]


def judge_events(
    records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline], ticks: Mapping[str, SeriesTicks]
) -> list[JudgedEvent]:
    """Find what came before each labelled transition; without `ticks` of a series, its ticks count as 0."""
    found = []
    stretches = [(r, stretch) for r in records if r.name in timelines for stretch in timelines[r.name].stretches]
    for record, stretch in stretches:
        if stretch.phase is Phase.EXPECTED:
            before = [alarm for alarm in record.alarms if stretch.begin_us <= alarm[0].time_us < stretch.end_us]
            first = min((alarm for alarm, _ in before), key=lambda alarm: alarm.time_us, default=None)
            still_open = any(cleared is None or cleared > stretch.end_us for _, cleared in before)
            own = ticks.get(record.name)
            seen = 0 if own is None else int((stretch.holds(own.end_us) & np.isin(own.state, JUDGING)).sum())
            found.append(JudgedEvent(record, stretch, first, still_open, seen))
    return found


def measure(
    records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline], ticks: Mapping[str, SeriesTicks]
) -> Skill:
    """Judge the alarms of all series; timelines and ticks are those of each labelled series, by name."""
    labelled = [record for record in records if record.name in timelines]
    parts = [_quiet(record, timelines[record.name], ticks[record.name]) for record in labelled]
    return Skill(
        events=tuple(judge_events(labelled, timelines, ticks)),
        alarms=tuple(judge_alarms(labelled, timelines)),
        quiet=QuietData(*(sum(column) for column in zip(*map(astuple, parts), strict=True))),
        numbered=any(record.axis.numbered for record in labelled),
        controls=sum(timelines[record.name].control for record in labelled),
        labelled=len(labelled),
        unlabelled=sum(is_watched(record) for record in records) - len(labelled),
        unwatched=sum(not is_watched(record) for record in records),
    )


def _quiet(record: SeriesRecord, timeline: Timeline, ticks: SeriesTicks) -> QuietData:
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
    return QuietData(total, values, record.units(total * record.plan.cadence_us), warning + critical, budget)


def count_interval(count: int) -> tuple[float, float]:
    """Give the interval of the mean of a Poisson count (Garwood 1936, doi:10.1093/biomet/28.3-4.437)."""
    # Imported here, as below: statsmodels takes a second.
    from statsmodels.stats.rates import confint_poisson

    low, high = confint_poisson(count, 1.0, method="exact-c", alpha=1 - CONFIDENCE)
    return (float(low) if count else 0.0), float(high)


def share_interval(count: int, total: int) -> tuple[float, float]:
    """Give the interval of a probability, from `count` of `total`.

    Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.
    """
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(count, total, method="beta", alpha=1 - CONFIDENCE)
    return float(low), float(high)
