"""Judges alarms by labelled events: which were true, false or late, how early, at what realised and declared budget.

An alarm is judged by the moment at which it was known, the end of its tick, and by that moment alone: an alarm that was
raised in quiet time and is still open when slowing may be expected was False, and the event needs another one. The
*exposure* of quiet data is counted in ticks with a verdict: while a series is learning or blind it can raise no alarm,
and those ticks would only dilute the rate.

Intervals are exact: they cover the truth in at least 95 of 100 cases however small the counts are. They take alarms and
events as independent of each other.

*Rivals* are the field's usual indicators, all causal. At tick t one looks at the `window` values up to and including t,
here one half-life of the series' bank; Kendall's tau is taken over as many of its newest values again. Values are raw,
as the field's tools take them. Mean, standard deviation and skewness know nothing of slowing: mean and standard
deviation are held against their first window, mean and skewness in both directions.

A rival's alarm line is set *with hindsight*, to the lowest one at which it gives no more false alarms on the same
quiet data. That favours the rival, which in life would not know its line. Two of its alarms less than a window apart
count once.

NaN stands for a missing value; an indicator is NaN until a whole window has passed, and wherever fewer than half of its
window's values are there. Without missing values `lag1` and `variances` are the numbers of ewstools 2.1.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sentinel.analysis.budgets import RuleBudget, RuleTicks, list_budgets
from sentinel.analysis.labels import Phase, Stretch, Timeline, is_watched
from sentinel.analysis.readings import SeriesTicks
from sentinel.analysis.record import SeriesRecord
from sentinel.domain.events import AlarmEvent
from sentinel.domain.states import State
from sentinel.pipeline.arrays import Codes, Floats, Ints
from sentinel.pipeline.plan import Plan
from sentinel.pipeline.watching import IN_ALARM, WATCHING

JUDGING = (State.WATCHING.value, State.WARNING.value, State.CRITICAL.value)
"""States in which a series has a verdict."""
SHORTEST_WINDOW = 20
LINES = 64
"""Alarm lines that are tried for a rival."""
_PIECE = 1 << 22  # numbers in the windows that are looked at together: 32 MB


@dataclass(frozen=True, slots=True)
class JudgedEvent:
    """One labelled transition and what came before it."""

    record: SeriesRecord
    stretch: Stretch
    """The time in which slowing may be expected; it ends with the transition."""
    alarm: AlarmEvent | None
    """The first alarm in that time; None = missed."""
    still_open: bool
    """True if an alarm of that time was open when the event came."""
    ticks: int
    """Ticks with a verdict in that time."""

    @property
    def all_ticks(self) -> int:
        """Ticks that fit into that time."""
        assert self.record.plan is not None
        return (self.stretch.end_us - self.stretch.begin_us) // self.record.plan.cadence_us

    @property
    def lead(self) -> float | None:
        """Time from the first alarm to the event, in seconds or the owner's units; None if there was none."""
        return None if self.alarm is None else self.record.units(self.stretch.end_us - self.alarm.time_us)


class JudgedAlarm(NamedTuple):
    """One alarm and what it was."""

    record: SeriesRecord
    alarm: AlarmEvent
    stretch: Stretch
    """The stretch in which it was raised."""

    @property
    def lead(self) -> float | None:
        """Time from the alarm to the event, in seconds or the owner's units; None unless it was true."""
        true = self.stretch.phase is Phase.EXPECTED
        return self.record.units(self.stretch.end_us - self.alarm.time_us) if true else None


class QuietData(NamedTuple):
    """The amount of quiet data, and its alarms."""

    ticks: int
    """Ticks with a verdict in quiet time, of all series together."""
    values: int
    """Ticks with a value in quiet time, those without a verdict included."""
    seconds: float
    """The ticks as calendar time; of a numbered axis the owner's units."""
    under_alarm: int
    """Ticks that passed with an alarm open."""


@dataclass(frozen=True, slots=True)
class Skill:
    """Everything that labels say about the alarms of a record."""

    events: list[JudgedEvent]
    alarms: list[JudgedAlarm]
    quiet: QuietData
    rules: list[RuleBudget]
    """Each rule in quiet time, where its alarms are false."""
    numbered: bool
    controls: int
    """Series of which some part is labelled as a control."""
    labelled: int
    unlabelled: int
    """Series that a rule watches and that have no label; they are not judged."""
    unwatched: int
    """Series that no rule watches; they are not judged, whatever their labels."""

    @property
    def budget(self) -> float:
        """False alarms that were allowed in quiet time: sum of alpha, over the ticks at which each rule could alarm."""
        return sum(rule.allowed for rule in self.rules)

    def count(self, phase: Phase) -> int:
        """Count the alarms in stretches of one phase."""
        return sum(judged.stretch.phase is phase for judged in self.alarms)

    @property
    def leads(self) -> tuple[float, ...]:
        """Leads of the events with an alarm before them, in seconds or the owner's units."""
        return tuple(lead for event in self.events if (lead := event.lead) is not None)


def judge_alarms(records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline]) -> list[JudgedAlarm]:
    """Judge each alarm of these labelled series by the moment at which it was raised."""
    return [JudgedAlarm(r, alarm, timelines[r.name].at(alarm.time_us)) for r in records for alarm, _ in r.alarms]


def judge_events(
    records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline], ticks: Mapping[str, SeriesTicks]
) -> list[JudgedEvent]:
    """Find what came before each transition of these series; without `ticks` of a series, its ticks count as 0."""
    found = []
    stretches = [(record, stretch) for record in records for stretch in timelines[record.name].stretches]
    for record, stretch in [one for one in stretches if one[1].phase is Phase.EXPECTED]:
        before = [alarm for alarm in record.alarms if stretch.begin_us <= alarm[0].time_us < stretch.end_us]
        first = min((alarm for alarm, _ in before), key=lambda alarm: alarm.time_us, default=None)
        still_open = any(cleared is None or cleared > stretch.end_us for _, cleared in before)
        own = ticks.get(record.name)
        seen = 0 if own is None else int((stretch.holds(own.end_us) & np.isin(own.state, JUDGING)).sum())
        found.append(JudgedEvent(record, stretch, first, still_open, seen))
    return found


def measure(
    records: Sequence[SeriesRecord],
    timelines: Mapping[str, Timeline],
    ticks: Mapping[str, SeriesTicks],
    codes: Mapping[str, Codes],
) -> Skill:
    """Judge the alarms of all series; `timelines`, `ticks` and their `codes` are by name of the labelled series."""
    labelled = [record for record in records if record.name in timelines]
    parts = [_quiet(record, timelines[record.name], ticks[record.name]) for record in labelled]
    rules = [
        (record.plan, _quiet_rules(record, record.plan, timelines[record.name], ticks[record.name], codes[record.name]))
        for record in labelled
        if record.plan is not None
    ]
    watched = sum(map(is_watched, records))
    return Skill(
        judge_events(labelled, timelines, ticks), judge_alarms(labelled, timelines),
        QuietData(*map(sum, zip(*parts, strict=True))), list_budgets(rules),
        numbered=any(record.axis.numbered for record in labelled),
        controls=sum(timelines[record.name].control for record in labelled),
        labelled=len(labelled), unlabelled=watched - len(labelled), unwatched=len(records) - watched,
    )  # fmt: skip


def _quiet(record: SeriesRecord, timeline: Timeline, ticks: SeriesTicks) -> QuietData:
    assert record.plan is not None  # a timeline needs ticks
    quiet = timeline.quiet(ticks.end_us)
    watching, warning, critical = (int((quiet & (ticks.state == state)).sum()) for state in JUDGING)
    total = watching + warning + critical
    values = int((quiet & ~np.isnan(ticks.value)).sum())
    return QuietData(total, values, record.units(total * record.plan.cadence_us), warning + critical)


def _quiet_rules(record: SeriesRecord, plan: Plan, timeline: Timeline, ticks: SeriesTicks, codes: Codes) -> RuleTicks:
    """Count what the quiet ticks of a series were to each of its rules, and the alarms that were raised there."""
    quiet = codes[timeline.quiet(ticks.end_us)]
    false = [alarm for alarm, _ in record.alarms if timeline.at(alarm.time_us).phase is Phase.QUIET]
    raised = [sum((one.rule, one.label) == (rule.kind, rule.label) for one in false) for rule in plan.rules]
    return RuleTicks((quiet == WATCHING).sum(axis=0), (quiet == IN_ALARM).sum(axis=0), np.array(raised, np.int64))


class Rival(NamedTuple):
    """The result of one indicator: events found, how early, and at how many false alarms."""

    name: str
    detected: int | None
    """None = not matched, because there are no quiet data."""
    leads: tuple[float, ...]
    """Of the detected events, in seconds or the owner's units."""
    false: int | None
    """False alarms on quiet data; None without quiet data."""
    under_alarm: float | None
    """Share of quiet ticks above the line; None without quiet data."""


def compare(
    skill: Skill, records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline], ticks: Mapping[str, SeriesTicks]
) -> list[Rival]:
    """Compare sentinel with its rivals, and with alarming always and never; rows in this order."""
    # Arrays here have the ticks of all labelled series, one series after the other.
    labelled = [record for record in records if record.name in timelines]
    ends = {record.name: ticks[record.name].end_us for record in labelled}
    end_us = np.concatenate(list(ends.values()))
    quiet = np.concatenate([timelines[name].quiet(own) for name, own in ends.items()])
    begin = dict(zip(ends, np.cumsum([0, *(own.size for own in ends.values())]).tolist(), strict=False))

    def leads(alarms: Ints) -> tuple[float, ...]:
        """Give the lead of each event that alarms at these ticks detect."""
        found = []
        for event in skill.events:
            name, stretch = event.record.name, event.stretch
            first, last = begin[name] + np.searchsorted(ends[name], [stretch.begin_us, stretch.end_us])
            own = alarms[(alarms >= first) & (alarms < last)]
            if own.size:
                found.append(event.record.units(stretch.end_us - int(end_us[own[0]])))
        return tuple(found)

    false, total = skill.count(Phase.QUIET), skill.quiet.ticks
    share = skill.quiet.under_alarm / total if total else None
    rows = [Rival("sentinel", len(skill.leads), skill.leads, false if total else None, share)]
    levels, place = _follow(labelled, ticks)
    for name, level in levels.items():
        known = level[quiet & ~np.isnan(level)]
        if known.size == 0:
            rows.append(Rival(name, None, (), None, None))
            continue
        # The lowest line down to which the indicator gives no more false alarms.
        best = float(known.max())
        for line in np.unique(np.quantile(known, 1 - np.geomspace(1 / known.size, 1, LINES)))[::-1].tolist():
            if int(quiet[_alarms(level, place, line)].sum()) > false:
                break
            best = line
        alarms = _alarms(level, place, best)
        found = leads(alarms)
        rows.append(Rival(name, len(found), found, int(quiet[alarms].sum()), float((known > best).mean())))
    always = leads(np.arange(end_us.size))
    rows.append(Rival("always", len(always), always, total or None, 1.0 if total else None))
    return [*rows, Rival("never", 0, (), 0 if total else None, 0.0 if total else None)]


def _alarms(level: Floats, place: Floats, line: float) -> Ints:
    """Find the ticks at which an indicator would have raised alarms."""
    above = np.flatnonzero(level > line)
    return above[np.diff(place[above], prepend=-np.inf) > 1]


def _follow(records: Sequence[SeriesRecord], ticks: Mapping[str, SeriesTicks]) -> tuple[dict[str, Floats], Floats]:
    """Compute each indicator at the ticks of all records, and their place in windows, with a jump between pieces."""
    levels: dict[str, list[Floats]] = {}
    places: list[Floats] = []
    jump = 0.0
    for record in records:
        assert record.plan is not None
        own, window = ticks[record.name], max(SHORTEST_WINDOW, round(record.plan.half_life))
        for piece in own.pieces():
            for name, level in compute_indicators(own.value[piece], window).items():
                levels.setdefault(name, []).append(level)
            size = piece.stop - piece.start
            places.append(jump + np.arange(size) / window)
            jump += size / window + 2
    return {name: np.concatenate(parts) for name, parts in levels.items()}, np.concatenate(places)


def compute_indicators(values: Floats, window: int) -> dict[str, Floats]:
    """Compute the indicators of one unbroken piece of a record, by name; larger is more alarming."""
    variance, mean = rolling(variances, values, window), rolling(means, values, window)
    first = mean[~np.isnan(mean)][:1], variance[~np.isnan(variance)][:1]
    base, spread = (float(part[0]) if part.size else math.nan for part in first)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "lag-1, Kendall": kendall_tau(rolling(lag1, values, window), window),
            "variance, Kendall": kendall_tau(variance, window),
            "mean": np.abs(mean - base) / np.sqrt(spread),
            "standard deviation": np.sqrt(variance / spread),
            "skewness": np.abs(rolling(skewness, values, window)),
        }


def rolling(indicator: Callable[[Floats], Floats], values: Floats, window: int) -> Floats:
    """Compute an indicator of every trailing window, a part of the record at a time."""
    found = np.full(values.size, np.nan)
    if values.size < window:
        return found
    windows = sliding_window_view(values, window)
    step = max(1, _PIECE // window)
    for first in range(0, len(windows), step):
        piece = windows[first : first + step]
        enough = (~np.isnan(piece)).sum(axis=1) >= window / 2
        with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # windows of nothing: NaN is the answer
            found[window - 1 + first :][: len(piece)] = np.where(enough, indicator(piece), np.nan)
    found[np.isinf(found)] = np.nan
    return found


def lag1(windows: Floats) -> Floats:
    """Pearson correlation of neighbours in each window, over the pairs of which both are there."""
    past, present = windows[:, :-1], windows[:, 1:]
    gone = np.isnan(past) | np.isnan(present)
    past, present = (np.where(gone, np.nan, side) for side in (past, present))
    past = past - np.nanmean(past, axis=1, keepdims=True)
    present = present - np.nanmean(present, axis=1, keepdims=True)
    shared = np.nansum(past * present, axis=1)
    return np.asarray(shared / np.sqrt(np.nansum(past**2, axis=1) * np.nansum(present**2, axis=1)))


def means(windows: Floats) -> Floats:
    """Mean of each window."""
    return np.asarray(np.nanmean(windows, axis=1))


def variances(windows: Floats) -> Floats:
    """Variance of each window, with n - 1."""
    return np.asarray(np.nanvar(windows, axis=1, ddof=1))


def skewness(windows: Floats) -> Floats:
    """Third central moment of each window over its standard deviation to the third (no correction for bias)."""
    centred = windows - np.nanmean(windows, axis=1, keepdims=True)
    return np.asarray(np.nanmean(centred**3, axis=1) / np.nanmean(centred**2, axis=1) ** 1.5)


def kendall_tau(values: Floats, window: int) -> Floats:
    """Kendall's tau-b of time and value over the trailing window: 1 = it only ever rose.

    Concordant less discordant pairs follow from those of the tick before: the newest value's pairs come, the oldest
    one's go. So each distance between two ticks is compared once, whatever the window.
    """
    order = _pairs_in_window(values, window, lambda later, earlier: np.sign(later - earlier))
    tied = _pairs_in_window(values, window, lambda later, earlier: later == earlier)
    count = _trailing_sum((~np.isnan(values)).astype(np.float64), window)
    pairs = count * (count - 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        tau = order / np.sqrt(pairs * (pairs - tied))
    tau[count < window / 2] = np.nan
    tau[: window - 1] = np.nan
    return tau


def _pairs_in_window(values: Floats, window: int, compare: Callable[[Floats, Floats], NDArray[np.generic]]) -> Floats:
    """Sum a comparison over all pairs of values in the trailing window; pairs with NaN count as 0."""
    found = np.zeros(values.size)
    for distance in range(1, min(window, values.size)):
        pairs = np.nan_to_num(compare(values[distance:], values[:-distance]).astype(np.float64))
        # A pair is inside while its earlier value is: for window - distance ticks from its later value on.
        found[distance:] += _trailing_sum(pairs, window - distance)
    return found


def _trailing_sum(values: Floats, window: int) -> Floats:
    """Sum the last `window` whole numbers at each tick, exactly; fewer at the start."""
    total = np.cumsum(values)
    total[window:] -= total[:-window].copy()
    return total
