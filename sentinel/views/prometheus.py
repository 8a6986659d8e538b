"""What Prometheus reads: the text made of the table of metrics, anew at each scrape.

Nothing here is set over time: numbers of series come from the snapshot, counts of what happened from the instruments.
A value that is not known is left out instead of shown as zero. No other module knows prometheus_client.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate, islice
from math import isinf, isnan, nan
from operator import itemgetter
from typing import TypeVar

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
from sentinel.domain.channels import CHANNELS
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.metrics import (
    BUCKETS_SECONDS,
    BUILD_INFO,
    OF_SERIES,
    Counter,
    Gauge,
    Histogram,
    Labels,
    Metrics,
    Row,
)
from sentinel.domain.spelling import NEVER_US, threshold_label
from sentinel.domain.states import Reason, State
from sentinel.domain.views import RuleView, SeriesView
from sentinel.pipeline.snapshot import Snapshot, e_bh

STATE_CODES = {State.LEARNING: 0, State.WATCHING: 1, State.WARNING: 2, State.CRITICAL: 3, State.BLIND: -1}
BLIND_REASONS = (
    Reason.STALE,
    Reason.STUCK,
    Reason.TOO_COARSE,
    Reason.OUT_OF_RANGE,
    Reason.IMPLAUSIBLE,
    Reason.SPACING,
    Reason.COUNTERPART_BEHIND,
)

T = TypeVar("T")
Point = tuple[str, Labels, float]
"""Name, label values in the order of the table, value."""


class Exposition:
    """Renders all metrics, made anew from the snapshot and the instruments each time."""

    def __init__(self, snapshot: Callable[[], Snapshot], metrics: Metrics, max_series: int = 1000) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_SentinelCollector(snapshot, metrics, max_series))
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
    """Turns snapshot and instruments into the metrics of the table, and nothing else."""

    def __init__(self, snapshot: Callable[[], Snapshot], metrics: Metrics, max_series: int) -> None:
        self._snapshot = snapshot
        self._metrics = metrics
        self._max_series = max_series

    def describe(self) -> Iterable[Metric]:
        """Say nothing: the registry would otherwise collect once to learn the names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Make all families that have something to show, in the order of the table."""
        found: dict[str, dict[Labels, float]] = {row.name: {} for row in (BUILD_INFO, *OF_SERIES)}
        for name, labels, value in self._points():
            if not isnan(value):
                # Of two equal label sets the first counts: a doubled line would cost the whole scrape.
                found[name].setdefault(tuple(map(_printable, labels)), value)
        families = [_gauge_of(BUILD_INFO, found), *map(_family_of, self._metrics.instruments())]
        families += [_gauge_of(row, found) for row in OF_SERIES]
        yield from (family for family in families if family.samples)

    def _points(self) -> Iterator[Point]:
        snapshot = self._snapshot()
        yield "sentinel_build_info", (__version__, platform.python_version()), 1.0
        yield from _count_series(snapshot)
        shown = _choose(snapshot, self._max_series)
        yield "sentinel_series_unexposed", (), len(snapshot) - len(shown)
        yield "sentinel_fleet_discoveries", (), int(e_bh(snapshot.e_values()).discovered.sum())
        for name in shown:
            yield from _series(snapshot.view(name))


def _gauge_of(row: Row, found: Mapping[str, Mapping[Labels, float]]) -> Metric:
    """Make the family of a gauge that is computed at the scrape."""
    family = GaugeMetricFamily(row.name, row.help, labels=row.labels, unit=row.unit)
    for labels, value in found[row.name].items():
        family.add_metric(labels, value)
    return family


def _family_of(instrument: Counter | Gauge | Histogram) -> Metric:
    """Make the family of an instrument, its lines sorted by their labels."""
    row, names = instrument.row, sorted(instrument.row.labels)
    if isinstance(instrument, Histogram):
        histogram = HistogramMetricFamily(row.name, row.help, labels=names, unit=row.unit)
        bounds = [*map(str, BUCKETS_SECONDS), "+Inf"]
        for labels, (counts, seconds) in _by_label(instrument.values()):
            buckets = zip(bounds, accumulate(counts, initial=None), strict=True)
            histogram.add_metric(labels, list(buckets), seconds)
        return histogram
    make = CounterMetricFamily if isinstance(instrument, Counter) else GaugeMetricFamily
    family: CounterMetricFamily | GaugeMetricFamily = make(row.name, row.help, labels=names, unit=row.unit)
    for labels, value in _by_label(instrument.values()):
        if not isnan(value):
            family.add_metric(labels, value)
    return family


def _by_label(values: Mapping[Labels, T]) -> Iterable[tuple[Labels, T]]:
    """Sort values by their labels, each label set as it is printed once."""
    return {
        tuple(map(_printable, labels)): value for labels, value in sorted(values.items(), key=itemgetter(0))
    }.items()


def _printable(text: str) -> str:
    """Replace what UTF-8 cannot hold (half a surrogate pair from a file of unknown encoding)."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def _seconds(time_us: int) -> float:
    """Give a timestamp in seconds; NaN, which is left out, for never."""
    return nan if time_us == NEVER_US else time_us / MICROSECONDS


def _choose(snapshot: Snapshot, max_series: int) -> list[str]:
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


def _count_series(snapshot: Snapshot) -> Iterator[Point]:
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
    for measure in (measure for channel in CHANNELS for measure in channel.measures):
        number = measure.read(view)
        if not (measure.may_be_open and isinf(number)):
            yield measure.metric, one, number
    for threshold, reading in zip(view.thresholds, view.readings, strict=True):
        yield "sentinel_series_reading", (*one, "lag1", threshold_label(threshold)), reading
    for rule in sorted(view.rules, key=_first_to_alarm):
        yield from _rule(one, rule)
    yield "sentinel_series_fleet_e_value", one, view.e_value
    if view.window_ticks:
        yield "sentinel_series_fleet_window_ticks", one, view.window_ticks
    yield "sentinel_series_last_tick_timestamp_seconds", one, _seconds(view.time_us)
    yield "sentinel_series_missing_ticks", one, view.missing_ticks


def _rule(one: tuple[str, str], rule: RuleView) -> Iterator[Point]:
    labels = (*one, rule.kind, rule.label)
    yield "sentinel_series_evidence", labels, rule.evidence
    yield "sentinel_series_alarm", labels, bool(rule.alarm_id)
    yield "sentinel_series_alpha", labels, rule.alpha
    if rule.kind != "weighted":  # several channels have no common number
        yield "sentinel_series_effective_threshold", labels, rule.threshold
    yield "sentinel_series_reference_left_pairs", labels, rule.baseline_left
    for remark in rule.remarks:
        yield "sentinel_series_alarm_remark", (*labels, remark), 1


def _first_to_alarm(rule: RuleView) -> tuple[str, str, float]:
    """Sort rules; of two of one name the one with the larger alpha, which alarms first, is shown."""
    return rule.kind, rule.label, -rule.alpha
