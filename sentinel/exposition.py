"""What Prometheus reads: the table of metrics, and the text made of it anew at each scrape.

Nothing here is set over time: numbers of series come from the snapshot, counts of what happened from the tally.
A value that is not known is left out instead of shown as zero. No other module knows prometheus_client.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, islice
from math import isnan, nan
from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from sentinel import __version__
from sentinel.clock import MICROSECONDS
from sentinel.snapshot import Reason, RuleView, SeriesView, Snapshot, State
from sentinel.tally import BUCKETS_SECONDS, Tally
from sentinel.wording import NEVER_US, threshold_label

log = logging.getLogger(__name__)


class Row(NamedTuple):
    """One metric of the table."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    unit: str
    """Base unit that ends the name (`seconds`, `bytes`), else empty."""
    help: str
    labels: tuple[str, ...] = ()


# fmt: off
METRICS: tuple[Row, ...] = (
    Row("sentinel_build_info", "gauge", "", "Always 1; what is running.", ("version", "python_version")),
    Row("sentinel_config_last_reload_successful", "gauge", "",
        "1 if the last reading of the settings succeeded."),
    Row("sentinel_config_last_reload_success_timestamp_seconds", "gauge", "seconds",
        "When settings were last read."),
    Row("sentinel_config_reloads_total", "counter", "", "Times that settings were read again."),
    Row("sentinel_config_reload_failures_total", "counter", "", "Times that new settings were refused."),
    Row("sentinel_ready", "gauge", "", "1 if what is shown can be relied on; /-/ready says why not."),
    Row("sentinel_ingestion_stopped", "gauge", "", "1 while commits fail and no observation is accepted."),
    Row("sentinel_scheduler_up", "gauge", "", "1 while the scheduler's thread is alive."),
    Row("sentinel_scheduler_heartbeat_timestamp_seconds", "gauge", "seconds",
        "Last sign of life of the scheduler."),
    Row("sentinel_task_runs_total", "counter", "", "Runs of a scheduled task.", ("task",)),
    Row("sentinel_task_failures_total", "counter", "", "Runs of a scheduled task that failed.", ("task",)),
    Row("sentinel_task_missed_total", "counter", "",
        "Runs of a scheduled task that did not start.", ("task", "reason")),
    Row("sentinel_task_duration_seconds", "histogram", "seconds",
        "How long a scheduled task ran.", ("task",)),
    Row("sentinel_task_last_success_timestamp_seconds", "gauge", "seconds",
        "Last successful run.", ("task",)),
    Row("sentinel_task_expected_interval_seconds", "gauge", "seconds", "How often a task is due.", ("task",)),
    Row("sentinel_source_up", "gauge", "", "1 if the last fetch succeeded.", ("source",)),
    Row("sentinel_source_last_success_timestamp_seconds", "gauge", "seconds",
        "Last successful fetch.", ("source",)),
    Row("sentinel_source_last_observation_timestamp_seconds", "gauge", "seconds",
        "Newest event time.", ("source",)),
    Row("sentinel_source_expected_interval_seconds", "gauge", "seconds",
        "How often a source is asked.", ("source",)),
    Row("sentinel_source_fetches_total", "counter", "", "Fetches, failed ones included.", ("source",)),
    Row("sentinel_source_fetch_failures_total", "counter", "", "Fetches that failed.", ("source",)),
    Row("sentinel_observations_received_total", "counter", "",
        "Observations that a source gave.", ("source",)),
    Row("sentinel_observations_accepted_total", "counter", "", "Observations that were used.", ("source",)),
    Row("sentinel_observations_duplicate_total", "counter", "",
        "Same series, time and value again.", ("source",)),
    Row("sentinel_observations_revised_total", "counter", "",
        "Same series and time, other value.", ("source",)),
    Row("sentinel_observations_late_total", "counter", "", "Came after their tick had closed.", ("source",)),
    Row("sentinel_observations_rejected_total", "counter", "", "Could not be used.", ("source", "reason")),
    Row("sentinel_inbox_observations", "gauge", "", "Observations waiting for the engine."),
    Row("sentinel_inbox_capacity_observations", "gauge", "",
        "Observations that may wait before sources are held."),
    Row("sentinel_engine_turns_total", "counter", "", "Turns of the engine, idle ones included."),
    Row("sentinel_engine_turn_duration_seconds", "histogram", "seconds",
        "How long a turn of the engine took."),
    Row("sentinel_engine_heartbeat_timestamp_seconds", "gauge", "seconds",
        "Last sign of life of the engine."),
    Row("sentinel_stage_duration_seconds", "histogram", "seconds",
        "How long a stage took in a turn.", ("task",)),
    Row("sentinel_ticks_total", "counter", "", "Ticks closed, missing ones included.", ("source",)),
    Row("sentinel_missing_ticks_total", "counter", "", "Ticks closed without an observation.", ("source",)),
    Row("sentinel_gaps_total", "counter", "", "Gaps too long to bridge; the series began anew.", ("source",)),
    Row("sentinel_commits_total", "counter", "", "Transactions of the journal, failed ones included."),
    Row("sentinel_commit_failures_total", "counter", "", "Transactions of the journal that failed."),
    Row("sentinel_commit_duration_seconds", "histogram", "seconds",
        "How long a transaction of the journal took."),
    Row("sentinel_last_commit_timestamp_seconds", "gauge", "seconds",
        "Last successful transaction of the journal."),
    Row("sentinel_journal_bytes", "gauge", "bytes", "Size of the journal on disk."),
    Row("sentinel_checkpoints_total", "counter", "", "Checkpoints, failed ones included."),
    Row("sentinel_checkpoint_failures_total", "counter", "", "Checkpoints that failed."),
    Row("sentinel_checkpoint_duration_seconds", "histogram", "seconds", "How long a checkpoint took."),
    Row("sentinel_checkpoint_last_success_timestamp_seconds", "gauge", "seconds",
        "Last successful checkpoint."),
    Row("sentinel_notifications_total", "counter", "",
        "Attempts to notify, failed ones included.", ("sink",)),
    Row("sentinel_notification_failures_total", "counter", "", "Attempts to notify that failed.", ("sink",)),
    Row("sentinel_outbox_notifications", "gauge", "", "Notifications not yet delivered.", ("sink",)),
    Row("sentinel_alarms_raised_total", "counter", "", "Alarms raised.", ("detector", "threshold")),
    Row("sentinel_alarms_cleared_total", "counter", "", "Alarms cleared.", ("detector", "threshold")),
    Row("sentinel_log_errors_total", "counter", "", "Lines logged as errors."),
    Row("sentinel_log_warnings_total", "counter", "", "Lines logged as warnings."),
    # All series together.
    Row("sentinel_series", "gauge", "", "Series known.", ("source",)),
    Row("sentinel_learning_series", "gauge", "", "Series without a verdict yet.", ("source",)),
    Row("sentinel_watching_series", "gauge", "", "Series below their alarm line.", ("source",)),
    Row("sentinel_warning_series", "gauge", "", "Series with a warning.", ("source",)),
    Row("sentinel_critical_series", "gauge", "", "Series with a critical alarm.", ("source",)),
    Row("sentinel_blind_series", "gauge", "", "Series that cannot be judged.", ("source", "reason")),
    Row("sentinel_series_unexposed", "gauge", "", "Series not shown one by one (web.max_series)."),
    # One by one, at most web.max_series.
    Row("sentinel_series_ready", "gauge", "", "1 once the series has a verdict.", ("source", "series")),
    Row("sentinel_series_state_code", "gauge", "",
        "0 learning, 1 watching, 2 warning, 3 critical, -1 blind.", ("source", "series")),
    Row("sentinel_series_blind", "gauge", "",
        "1 while the series cannot be judged.", ("source", "series", "reason")),
    Row("sentinel_series_lag1_autocorrelation", "gauge", "",
        "Lag-1 autocorrelation of the residual.", ("source", "series")),
    Row("sentinel_series_lag1_autocorrelation_low", "gauge", "",
        "Lower end of its 95 % band.", ("source", "series")),
    Row("sentinel_series_lag1_autocorrelation_high", "gauge", "",
        "Upper end of its 95 % band.", ("source", "series")),
    Row("sentinel_series_recovery_time_seconds", "gauge", "seconds",
        "Time in which a small knock fades to 1/e.", ("source", "series")),
    Row("sentinel_series_reading", "gauge", "",
        "Reading of a detector in null standard deviations; 0 at its threshold.",
        ("source", "series", "detector", "threshold")),
    Row("sentinel_series_evidence", "gauge", "",
        "log10 of evidence over its budget; 0 is the alarm line.",
        ("source", "series", "detector", "threshold")),
    Row("sentinel_series_alarm", "gauge", "", "1 while the alarm is open.",
        ("source", "series", "detector", "threshold")),
    Row("sentinel_series_alpha", "gauge", "", "Budgeted false alarms per tick.",
        ("source", "series", "detector", "threshold")),
    Row("sentinel_series_last_tick_timestamp_seconds", "gauge", "seconds",
        "End of the last closed tick.", ("source", "series")),
    Row("sentinel_series_missing_ticks", "gauge", "",
        "Ticks closed without an observation.", ("source", "series")),
)
# fmt: on

STATE_CODES = {State.LEARNING: 0, State.WATCHING: 1, State.WARNING: 2, State.CRITICAL: 3, State.BLIND: -1}
BLIND_REASONS = (
    Reason.STALE,
    Reason.STUCK,
    Reason.TOO_COARSE,
    Reason.OUT_OF_RANGE,
    Reason.IMPLAUSIBLE,
    Reason.SPACING,
)

Point = tuple[str, tuple[str, ...], float]
"""Name, label values in the order of the table, value."""


class Exposition:
    """Renders all metrics, made anew from the snapshot and the tally each time."""

    def __init__(self, snapshot: Callable[[], Snapshot], tally: Tally, max_series: int = 1000) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_SentinelCollector(snapshot, tally, max_series))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def render(self, accept_header: str = "") -> tuple[bytes, str]:
        """Give body and content type in the format that the scraper asks for, else the plain text format."""
        try:
            encode, content_type = choose_encoder(accept_header)
        except (TypeError, ValueError):
            # The library trips over a malformed version in the header; its sender still gets the numbers.
            encode, content_type = choose_encoder("")
        return encode(self._registry), content_type


class _SentinelCollector(Collector):
    """Turns snapshot and tally into the metrics of the table, and nothing else."""

    def __init__(self, snapshot: Callable[[], Snapshot], tally: Tally, max_series: int) -> None:
        self._snapshot = snapshot
        self._tally = tally
        self._max_series = max_series
        self._complained: set[str] = set()

    def describe(self) -> Iterable[Metric]:
        """Say nothing: the registry would otherwise collect once to learn the names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Make all families that have something to show."""
        points: dict[str, dict[tuple[str, ...], float]] = {row.name: {} for row in METRICS}
        for name, labels, value in self._points():
            if isnan(number := self._number(name, value)):
                continue
            # Of two equal label sets the first counts: a doubled line would cost the whole scrape.
            points[name].setdefault(tuple(map(_printable, labels)), number)
        histograms = self._histograms()
        for row in METRICS:
            family = _family(row)
            if isinstance(family, HistogramMetricFamily):
                for labels, (counts, seconds) in sorted(histograms[row.name].items()):
                    family.add_metric(labels, _buckets(counts), seconds)
            elif isinstance(family, (CounterMetricFamily, GaugeMetricFamily)):
                for labels, value in points[row.name].items():
                    family.add_metric(labels, value)
            if family.samples:
                yield family

    def _points(self) -> Iterator[Point]:
        snapshot = self._snapshot()
        yield "sentinel_build_info", (__version__, platform.python_version()), 1.0
        yield from self._tallied()
        yield from _totals(snapshot)
        shown = _shown(snapshot, self._max_series)
        yield "sentinel_series_unexposed", (), len(snapshot) - len(shown)
        for name in shown:
            yield from _series(snapshot.view(name))

    def _tallied(self) -> Iterator[Point]:
        numbers = self._tally.numbers()
        for row in METRICS:
            if row.type == "counter" and not row.labels:
                numbers.setdefault((row.name, ()), 0.0)
        for (name, pairs), value in sorted(numbers.items(), key=lambda entry: entry[0]):
            if (labels := self._labels(name, pairs, histogram=False)) is not None:
                yield name, labels, value

    def _histograms(self) -> dict[str, dict[tuple[str, ...], tuple[tuple[int, ...], float]]]:
        empty = ((0,) * (len(BUCKETS_SECONDS) + 1), 0.0)
        found: dict[str, dict[tuple[str, ...], tuple[tuple[int, ...], float]]] = {
            row.name: {} if row.labels else {(): empty} for row in METRICS if row.type == "histogram"
        }
        for (name, pairs), histogram in self._tally.histograms().items():
            if (labels := self._labels(name, pairs, histogram=True)) is not None:
                found[name][tuple(map(_printable, labels))] = histogram
        return found

    def _labels(self, name: str, pairs: tuple[tuple[str, str], ...], *, histogram: bool) -> tuple[str, ...] | None:
        """Order label values as the table does; None for what the table does not have."""
        row = _ROWS.get(name)
        values = dict(pairs)
        if row is None or set(values) != set(row.labels) or (row.type == "histogram") != histogram:
            self._complain(f"{name}: labels {sorted(values)}; the table of metrics has no such entry; left out")
            return None
        return tuple(values[label] for label in row.labels)

    def _number(self, name: str, value: object) -> float:
        """Give a float; NaN, which is left out, for what is none."""
        try:
            return float(value)  # type: ignore[arg-type]  # what is not a number is what is looked for
        except (TypeError, ValueError):
            self._complain(f"{name}: {value!r} is not a number; left out")
            return nan

    def _complain(self, message: str) -> None:
        """Log once per message: a scrape comes every few seconds."""
        if message not in self._complained and len(self._complained) < len(METRICS):
            self._complained.add(message)
            log.error("exposition: %s", message)


_ROWS = {row.name: row for row in METRICS}


def _family(row: Row) -> Metric:
    kinds: dict[str, Callable[..., Metric]] = {
        "counter": CounterMetricFamily,
        "gauge": GaugeMetricFamily,
        "histogram": HistogramMetricFamily,
    }
    return kinds[row.type](row.name, row.help, labels=row.labels, unit=row.unit)


def _buckets(counts: tuple[int, ...]) -> list[tuple[str, float]]:
    """Give cumulative counts with their upper bounds."""
    return list(zip([*map(str, BUCKETS_SECONDS), "+Inf"], accumulate(counts, initial=None), strict=True))


def _printable(text: str) -> str:
    """Replace what UTF-8 cannot hold (half a surrogate pair from a file of unknown encoding)."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def _seconds(time_us: int) -> float:
    """Give a timestamp in seconds; NaN, which is left out, for never."""
    return nan if time_us == NEVER_US else time_us / MICROSECONDS


def _shown(snapshot: Snapshot, max_series: int) -> list[str]:
    """Choose which series are shown one by one, in the order of their names.

    Those with an alarm come first, then the first by name: the choice changes only when an alarm does, and a
    capped exposition does not make Prometheus begin new series at every scrape.
    """
    names = snapshot.names()
    if len(names) <= max_series:
        return list(names)
    alarming = (State.WARNING, State.CRITICAL)
    chosen = {view.name for view in snapshot.views(max_series) if view.state in alarming}
    chosen.update(islice((name for name in names if name not in chosen), max_series - len(chosen)))
    return sorted(chosen)


def _totals(snapshot: Snapshot) -> Iterator[Point]:
    """Count series by source and state, with zeros for every state a known source is not in."""
    counts = snapshot.counts()
    for source in sorted({source for source, _, _ in counts}):
        here = {(state, reason): number for (name, state, reason), number in counts.items() if name == source}
        yield "sentinel_series", (source,), sum(here.values())
        for state in (State.LEARNING, State.WATCHING, State.WARNING, State.CRITICAL):
            total = sum(number for (other, _), number in here.items() if other is state)
            yield f"sentinel_{state.value}_series", (source,), total
        for reason in Reason:
            number = here.get((State.BLIND, reason), 0)
            if number or reason in BLIND_REASONS:
                yield "sentinel_blind_series", (source, reason.value), number


def _series(view: SeriesView) -> Iterator[Point]:
    """Show one series. NaN is left out by the caller: not ready has no number."""
    one = (view.source, view.name)
    blind = view.state is State.BLIND
    yield "sentinel_series_ready", one, not (blind or view.state is State.LEARNING)
    yield "sentinel_series_state_code", one, STATE_CODES[view.state]
    if blind:
        yield "sentinel_series_blind", (*one, view.reason.value), 1
    yield "sentinel_series_lag1_autocorrelation", one, view.lag1
    yield "sentinel_series_lag1_autocorrelation_low", one, view.lag1_low
    yield "sentinel_series_lag1_autocorrelation_high", one, view.lag1_high
    yield "sentinel_series_recovery_time_seconds", one, view.recovery_seconds
    for threshold, reading in zip(view.thresholds, view.readings, strict=True):
        yield "sentinel_series_reading", (*one, "lag1", threshold_label(threshold)), reading
    for rule in sorted(view.rules, key=_first_to_alarm):
        labels = (*one, rule.kind, rule.label)
        yield "sentinel_series_evidence", labels, rule.evidence
        yield "sentinel_series_alarm", labels, bool(rule.alarm_id)
        yield "sentinel_series_alpha", labels, rule.alpha
    yield "sentinel_series_last_tick_timestamp_seconds", one, _seconds(view.time_us)
    yield "sentinel_series_missing_ticks", one, view.missing_ticks


def _first_to_alarm(rule: RuleView) -> tuple[str, str, float]:
    """Sort rules; of two on one threshold the one with the larger alpha, which alarms first, is shown."""
    return rule.kind, rule.label, -rule.alpha
