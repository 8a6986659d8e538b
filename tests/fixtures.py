"""A picture of everything at once, built by hand: not ready, missing, blind, quiet, warning, critical."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from math import atanh, inf, log, nan, tanh
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sentinel.commands import main
from sentinel.domain.channels import UNKNOWN
from sentinel.domain.clock import Clock
from sentinel.domain.flags import CheckCount
from sentinel.domain.gates import GateEvent
from sentinel.domain.metrics import Metrics
from sentinel.domain.states import STATES, Reason, RuleView, SeriesView, SiteView, Spectrogram, State
from sentinel.journal import Journal
from sentinel.pipeline.fleet import Fleet
from sentinel.pipeline.history import History, Sketch
from sentinel.pipeline.snapshot import Snapshot
from tests.analysis.lakes import without_pictures
from tests.deploy.programs import program

DAY_US = 86_400_000_000
NOW_US = 1_785_000_000_000_000
THRESHOLDS = tuple(tanh(u) for u in np.linspace(-atanh(0.99), atanh(0.99), 16))
RULE = RuleView(
    kind="lag1", label="0.8", side="above", relative=False, threshold=0.8, baseline_left=0, baseline_disagrees=False,
    alpha=1e-4, severity="warning", evidence=nan, alarm_id="", since_us=-1, remarks=(),
)  # fmt: skip
SERIES = SeriesView(
    name="", source="buoys", state=State.LEARNING, reason=Reason.WARM_UP, since_us=NOW_US - 9 * DAY_US,
    cadence_seconds=3600.0, half_life_ticks=70.0, ticks=36, missing_ticks=0, warm_up_left=34,
    time_us=NOW_US - DAY_US // 24, value=8.25, residual=nan, estimates=UNKNOWN, recovery_seconds=nan,
    recovery_low_seconds=nan, recovery_high_seconds=nan, e_value=nan, window_ticks=1000, windows=2,
    window_us=NOW_US - 1300 * 3_600_000_000, evidence=nan, tie_share=0.0, thresholds=THRESHOLDS,
    readings=(nan,) * len(THRESHOLDS), rules=(RULE,),
)  # fmt: skip


def events_of(journal: Journal) -> list[dict[str, Any]]:
    """Every event, in the order in which they were appended."""
    return [json.loads(body) for (body,) in journal._database.read("SELECT body FROM event ORDER BY rowid")]


def digests_of(journal: Journal) -> list[tuple[int, int, str]]:
    """Series id, tick and digest, by series and tick."""
    return journal._database.read("SELECT series, tick, digest FROM digest ORDER BY series, tick")


class ManualClock(Clock):
    """A clock that stands still until it is set."""

    def __init__(self, now_us: int = 0) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        return self._now_us

    def set(self, now_us: int) -> None:
        self._now_us = now_us


ORDER = (State.CRITICAL, State.WARNING, State.BLIND, State.WATCHING, State.LEARNING)


def recovery(lag1: float, cadence_seconds: float) -> float:
    return round(-cadence_seconds / log(lag1), 2) if 0 < lag1 < 1 else inf if lag1 >= 1 else nan


def estimated(view: SeriesView, **numbers: float) -> SeriesView:
    """The series with other estimates."""
    return replace(view, estimates=view.estimates._replace(**numbers))


def judged(view: SeriesView, lag1: float, low: float, high: float, evidence: float, **more: object) -> SeriesView:
    """A series with a verdict: the readings cross zero at `lag1`."""
    estimates = UNKNOWN.each(lambda _: 0.25)._replace(
        lag1=lag1, lag1_low=low, lag1_high=high, modulus=abs(lag1), period=nan, spread=0.125,
        criticality=round(atanh(abs(lag1)) + 0.125, 3),
    )  # fmt: skip
    return replace(
        view, state=State.WATCHING, reason=Reason.NONE, ticks=4000, warm_up_left=0, residual=0.4, estimates=estimates,
        recovery_seconds=recovery(lag1, view.cadence_seconds),
        recovery_low_seconds=recovery(low, view.cadence_seconds),
        recovery_high_seconds=recovery(high, view.cadence_seconds),
        e_value=round(10 ** (evidence + 1), 3), evidence=evidence,
        readings=tuple(round(4 * (atanh(lag1) - atanh(r)), 3) for r in THRESHOLDS),
        rules=(replace(RULE, evidence=evidence),), **more,
    )  # fmt: skip


@dataclass(frozen=True)
class FakeSnapshot:
    """An immutable snapshot of given series."""

    series: Mapping[str, SeriesView]
    history: History
    taken_us: int = NOW_US
    every_site: tuple[SiteView, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.series)

    def names(self) -> Sequence[str]:
        return sorted(self.series)

    def present_name(self, name: str) -> str:
        return self.renamed.get(name, name)

    def view(self, name: str) -> SeriesView:
        return self.series[name]

    def views_of(self, names: Sequence[str]) -> Sequence[SeriesView]:
        return [self.series[name] for name in names]

    def views(self, limit: int | None = None, first: int = 0) -> Sequence[SeriesView]:
        ranked = sorted(
            self.series.values(), key=lambda v: (ORDER.index(v.state), -np.nan_to_num(v.evidence, nan=-9), v.name)
        )
        return ranked[first:limit]

    def with_open_alarm(self) -> Sequence[SeriesView]:
        return [view for view in self.views() if any(rule.alarm_id for rule in view.rules)]

    def e_values(self) -> NDArray[np.float64]:
        return np.array([self.series[name].e_value for name in self.names()])

    def counts(self) -> Mapping[tuple[str, State, Reason], int]:
        return Counter((view.source, view.state, view.reason) for view in self.series.values())

    def false_alarms_a_day(self) -> Mapping[str, float]:
        budgets: Counter[str] = Counter()
        for view in self.series.values():
            for rule in view.rules:
                if view.cadence_seconds > 0:
                    budgets[rule.severity] += rule.alpha * 86_400 / view.cadence_seconds
        return budgets

    def left_out_counts(self) -> Mapping[str, int]:
        counts: Counter[str] = Counter()
        for view in self.series.values():
            counts[view.source] += view.left_out
        return counts

    def check_counts(self) -> Mapping[tuple[str, str], tuple[int, int]]:
        return {(view.source, one.check): one[1:] for view in self.series.values() for one in view.checks}

    def last_ticks_us(self) -> Mapping[str, int]:
        newest: dict[str, int] = {}
        for view in self.series.values():
            if view.ticks:
                newest[view.source] = max(newest.get(view.source, view.time_us), view.time_us)
        return newest

    def without_rule_counts(self) -> Mapping[str, int]:
        return {view.source: 0 for view in self.series.values()} | Counter(
            view.source for view in self.series.values() if not view.rules
        )

    def held_counts(self) -> Mapping[str, int]:
        return {
            source: sum(view.held for view in self.series.values() if view.source == source)
            for source in {view.source for view in self.series.values()}
        }

    def sites(self) -> Sequence[SiteView]:
        return self.every_site

    def is_on_hold(self, name: str) -> bool:
        return False

    def declared(self, name: str) -> Sequence[GateEvent]:
        return []

    def spectrogram(self, name: str) -> Spectrogram | None:
        return self.history.spectrogram(name)

    def pictures(self, name: str) -> Sequence[Spectrogram]:
        return self.history.pictures(name)

    def sketches(self, names: Sequence[str], points: int) -> Mapping[str, Sketch]:
        return self.history.sketches(names, points)

    def counterpart(self, name: str) -> tuple[str, str] | None:
        return ("lake/control", "elnino") if name == "lake/loaded" else None

    def fleet(self) -> Fleet:
        views = list(self.series.values())
        sources = sorted({view.source for view in views})
        at = {view.name: i for i, view in enumerate(views)}
        return Fleet(
            [view.name for view in views], sources, np.array([sources.index(v.source) for v in views], np.int64),
            np.array([STATES.index(v.state) for v in views], np.int64), np.zeros(len(views), np.int64),
            np.array([at[view.name] for view in self.views()], np.int64), np.array([v.evidence for v in views]),
            np.array([v.estimates.lag1 for v in views]), np.array([v.recovery_seconds for v in views]),
            np.array([v.time_us for v in views], np.int64),
        )  # fmt: skip


def slowing(history: History, name: str, start: float, end: float, rule: float = 0.8, ticks: int = 900) -> None:
    """Draw a series whose lag-1 goes from `start` to `end`, with a warm-up and a gap."""
    random = np.random.default_rng(len(name))
    wander = np.cumsum(random.normal(size=ticks)) * 0.012
    centre = np.linspace(atanh(start), atanh(end), ticks) + wander - np.linspace(0, wander[-1], ticks)
    centre[:70] = np.nan
    centre[400:430] = np.nan
    z = 4 * (centre[:, None] - np.arctanh(THRESHOLDS)) + random.normal(size=(ticks, 16)) * 0.25
    evidence = np.full(ticks, np.nan)
    level = -3.5
    for tick in np.flatnonzero(~np.isnan(centre)):
        level = min(0.4, max(-3.5, level + 0.3 * (np.tanh(centre[tick]) - rule) + random.normal() * 0.08))
        evidence[tick] = level
    time_us = NOW_US - np.arange(ticks)[::-1] * (DAY_US // 24)
    estimates = UNKNOWN.each(lambda nan: np.full(ticks, nan))._replace(
        lag1=np.tanh(centre), lag1_low=np.tanh(centre - 0.35), lag1_high=np.tanh(centre + 0.35),
        modulus=np.abs(np.tanh(centre)), spread=centre - atanh(start),
    )  # fmt: skip
    value = 8 + np.where(np.isnan(centre), np.nan, random.normal(size=ticks) * np.exp(np.nan_to_num(centre) / 2) / 4)
    value[:70] = 8 + random.normal(size=70) / 4
    state = np.select([np.arange(ticks) < 70, np.isnan(centre), evidence > 0], [0, 4, 2], 1).astype(np.int8)
    column = (slice(None), None)
    history.append(
        [name], np.array(THRESHOLDS), np.array([ticks]), time_us[column], value[column], state[column], z[column],
        estimates.each(lambda line: line[column]), evidence[column],
    )  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def one_parser() -> Iterator[None]:
    """The parser of the command line, made once: each of hundreds of commands would make all of it again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, "parser", cache(main.parser))
        yield


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what failed be tried again with the next turn of an engine."""
    monkeypatch.setattr("sentinel.runtime.engine.RETRY_SECONDS", 0.0)
    monkeypatch.setattr("sentinel.runtime.courier.FIRST_RETRY_SECONDS", 0.0)


@pytest.fixture(scope="session")
def snapshot() -> Snapshot:
    history = History(max_series=24)
    slowing(history, "lake/loaded", 0.35, 0.93)
    slowing(history, "lake/control", 0.4, 0.35)
    slowing(history, "grid/frequency", 0.6, 0.985)
    slowing(history, "elnino", 0.87, 0.9, rule=0.95)
    alarm = {"alarm_id": "a1b2", "since_us": NOW_US - 2 * DAY_US}
    evil = '<script>alert("x")</script> & \'co\' \\ "ü"\n\ud800'
    loaded = judged(SERIES, 0.91, 0.84, 0.95, 0.4)
    grid = judged(SERIES, 0.985, 0.95, 1.0, 2.1, source="grid")
    one_sided = replace(loaded.rules[0], remarks=("one_sided",), **alarm)
    oscillating = judged(SERIES, 0.2, 0.05, 0.33, 0.7)
    cycle = oscillating.estimates._replace(modulus=0.93, period=14.0, spread=0.833, criticality=2.491)
    warning = replace(grid.rules[0], **alarm)
    river = judged(SERIES, 0.985, 0.95, 1.0, 3.0, cadence_seconds=900.0)
    raised = (warning, replace(warning, alpha=1e-6, evidence=0.1, severity="critical"))
    rules = (
        replace(RULE, evidence=-4.0),
        replace(RULE, kind="modulus", label="0.9", threshold=0.9, evidence=0.7, **alarm),
        replace(RULE, kind="spread", label="1.5x", threshold=1.5, evidence=-0.4),
    )
    views = [
        replace(loaded, name="lake/loaded", state=State.WARNING, rules=(one_sided,)),
        replace(grid, name="grid/frequency", state=State.CRITICAL, cadence_seconds=1.0, rules=raised),
        judged(
            SERIES,
            0.35,
            0.21,
            0.48,
            -3.1,
            name="lake/control",
            missing_ticks=12,
            value=nan,
            left_out=7,
            fill_values=(-999.0,),
            values_left_out=((-999.0, 7),),
            checks=(CheckCount("range", 0, 2), CheckCount("spike", 3, 1)),
        ),
        judged(SERIES, 0.9, 0.86, 0.93, -1.2, name="elnino"),
        replace(SERIES, name="lake/new"),
        replace(SERIES, name="lake/fresh", reason=Reason.CADENCE, cadence_seconds=nan, ticks=0, time_us=-1, value=nan),
        judged(SERIES, 0.5, 0.4, 0.6, -2.0, name="buoy 7"),
        replace(SERIES, name=evil, time_us=-3 * DAY_US),
        replace(oscillating, name="reactor", state=State.WARNING, estimates=cycle, rules=rules),
        replace(river, name="river", e_value=0.0, rules=(replace(river.rules[0], held=True),)),
    ]
    relative = replace(RULE, label="relative", relative=True)
    below = replace(RULE, label="below -0.8", threshold=-0.8, side="below", evidence=-4.0)
    views[2] = replace(views[2], rules=(*views[2].rules, below))
    views[3] = replace(views[3], rules=(replace(relative, threshold=0.94, evidence=-1.2),))
    views[4] = replace(views[4], rules=(RULE, replace(relative, threshold=nan, baseline_left=400)))
    views[6] = replace(views[6], state=State.BLIND, reason=Reason.STUCK, tie_share=0.41)
    return FakeSnapshot({view.name: view for view in views}, history)


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """The value that a counter or gauge has by its name; 0 if it was never moved."""
    (found,) = [one for one in metrics.instruments() if one.row.name == name]
    number = found.values().get(tuple(labels[label] for label in sorted(found.row.labels)), 0.0)
    assert isinstance(number, float)
    return number


def count_source(metrics: Metrics, source: str) -> None:
    metrics.source_up.set(source == "buoys", source=source)
    metrics.source_catching_up.set(0, source=source)
    metrics.source_in_flight_since.set(0, source=source)
    metrics.source_expected_interval.set(30, source=source)
    for gauge in (metrics.source_last_success, metrics.source_last_observation):
        gauge.set(NOW_US / 1e6, source=source)
    metrics.source_columns_without_numbers.set(1, source=source)
    metrics.source_counting_columns.set(1, source=source)
    for counter in (metrics.source_fetches, metrics.source_fetch_failures, metrics.ticks, metrics.missing_ticks):
        counter.inc(4, source=source)
    metrics.gaps.inc(4, source=source)
    for counter in (
        metrics.observations_received, metrics.observations_accepted, metrics.observations_duplicate,
        metrics.observations_revised, metrics.observations_late, metrics.observations_on_hold,
    ):  # fmt: skip
        counter.inc(100, source=source)
    metrics.observations_rejected.inc(2, source=source, reason="not_a_number")
    metrics.observations_marked.inc(3, source=source, reason="*")


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Path of a Debian program; where it is absent the test is skipped, in CI it fails."""
    return program


@pytest.fixture
def undrawn() -> Iterator[None]:
    """Reports without pictures."""
    with without_pictures():
        yield


@pytest.fixture
def metrics() -> Metrics:
    """Instruments of which every one has something."""
    metrics = Metrics()
    for gauge in (metrics.config_last_reload_successful, metrics.ready, metrics.scheduler_up):
        gauge.set(1)
    metrics.ingestion_stopped.set(0)
    metrics.config_restart_required.set(1, reason="web")
    for gauge in (
        metrics.config_last_reload_success, metrics.scheduler_heartbeat, metrics.engine_heartbeat, metrics.last_commit,
        metrics.checkpoint_last_success,
    ):  # fmt: skip
        gauge.set(NOW_US / 1e6)
    metrics.inbox_observations.set(3)
    metrics.inbox_capacity_observations.set(200_000)
    metrics.journal_bytes.set(1_048_576)
    for task in ("fetch buoys", "checkpoint"):
        metrics.task_runs.inc(7, task=task)
        metrics.task_failures.inc(0, task=task)
        for reason in ("misfire", "max_instances"):
            metrics.task_missed.inc(0, task=task, reason=reason)
        metrics.task_duration.observe(0.02, task=task)
        metrics.task_last_success.set(NOW_US / 1e6, task=task)
        metrics.task_expected_interval.set(30, task=task)
    for source in ("buoys", "grid"):
        count_source(metrics, source)
    for stage in ("journal", "grid", "conditioning", "bank", "evidence", "alarm", "snapshot"):
        metrics.stage_duration.observe(0.003, task=stage)
    for histogram in (metrics.engine_turn_duration, metrics.commit_duration, metrics.checkpoint_duration):
        histogram.observe(0.25)
        histogram.observe(99.0)
    metrics.engine_turns.inc(12)
    metrics.notifications.inc(sink="log")
    metrics.notification_failures.inc(sink="log")
    metrics.outbox_notifications.set(0, sink="log")
    metrics.readings_sent.inc(48, sink="readings")
    metrics.readings_dropped.inc(0, sink="readings", reason="full")
    metrics.readings_waiting.set(0, sink="readings")
    metrics.drill_alarm.set(0)
    metrics.drill_last_success.set(NOW_US / 1e6)
    metrics.drill_due.set(NOW_US / 1e6 + 86_400)
    metrics.drill_delay.set(0.5, sink="log")
    for counter in (metrics.alarms_raised, metrics.alarms_cleared):
        counter.inc(detector="lag1", threshold="0.8")
    metrics.alarm_watching_ticks.inc(31_750, detector="lag1", threshold="0.8")
    metrics.alarm_open_ticks.inc(240, detector="lag1", threshold="0.8")
    for counter in (metrics.site_alarms_raised, metrics.site_alarms_cleared):
        counter.inc(series="lake")
    metrics.site_alarm.set(0, series="lake")
    return metrics
