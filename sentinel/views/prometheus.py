"""The exposition for Prometheus, made anew at each scrape of the snapshot and the instruments.

A value that is not known is left out instead of shown as zero.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, chain, islice
from math import isinf, isnan, nan
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sentinel import __version__
from sentinel.config import WebSettings
from sentinel.domain import metrics as table
from sentinel.domain.channels import CHANNELS
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.labels import exposed, exposed_name
from sentinel.domain.spans import NEVER_US, threshold_label
from sentinel.domain.states import Reason, RuleView, SeriesView, State
from sentinel.pipeline.fleet import e_bh
from sentinel.pipeline.snapshot import Snapshot
from sentinel.views.gauges import END, Point, printable, write_gauges

STATE_CODES = {State.LEARNING: 0, State.WATCHING: 1, State.WARNING: 2, State.CRITICAL: 3, State.BLIND: -1}
BLIND_REASONS = (
    Reason.STALE, Reason.STUCK, Reason.TOO_COARSE, Reason.OUT_OF_RANGE, Reason.IMPLAUSIBLE, Reason.SPACING,
    Reason.COUNTERPART_BEHIND, Reason.ON_HOLD, Reason.FAILED_CHECK,
)  # fmt: skip
"""Reasons that are shown with 0 while no series is blind for them."""
MEASURES = [measure for channel in CHANNELS for measure in channel.measures]
READING = "sentinel_series_reading"
EVERY_METRIC = frozenset(f"sentinel_series_{name}" for name in table.SERIES_METRICS)
FAMILIES = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}


class Exposition(Collector):
    """Renders all metrics, made anew from the snapshot and the instruments each time."""

    def __init__(
        self, snapshot: Callable[[], Snapshot], metrics: table.Metrics, settings: WebSettings,
        open_alarms: Callable[[], Mapping[str, table.Labels]] = dict,
        ended: Callable[[], Iterable[table.Labels]] = list,
    ) -> None:  # fmt: skip
        """`open_alarms` are the labels of open alarms by id, `ended` those of alarms that ended lately, from events."""
        self._snapshot, self._open_alarms, self._ended = snapshot, open_alarms, ended
        self._metrics = metrics
        self._settings = settings
        shown = tuple(exposed_name(label) for label in settings.labels)
        self._rows = [row._replace(labels=(*row.labels, *shown)) if _is_of_one(row) else row for row in table.OF_SERIES]
        self._one = {row.name for row in table.OF_SERIES if _is_of_one(row)} if shown else set()
        self._of_process = CollectorRegistry()
        ProcessCollector(registry=self._of_process)
        PlatformCollector(registry=self._of_process)
        GCCollector(registry=self._of_process)

    def render(self, accept_header: str = "") -> tuple[bytes, str]:
        """Give body and content type in the format that the scraper asks for, else the plain text format."""
        try:
            encode, content_type = choose_encoder(accept_header)
        except (TypeError, ValueError):
            # The library trips over a malformed version in the header; its sender still gets the numbers.
            encode, content_type = choose_encoder("")
        own, of_process = encode(self), encode(self._of_process)
        of_series = write_gauges(self._rows, self._labelled(self.points()), encode)
        return own.removesuffix(END) + of_series + of_process, content_type

    def collect(self) -> Iterator[Metric]:
        """Make the families of the instruments that have something to show, in the order of the table."""
        families = [_family(table.BUILD_INFO, table.BUILD_INFO.labels, {(__version__, platform.python_version()): 1.0})]
        for one in self._metrics.instruments():
            values: dict[table.Labels, float | table.Durations] = {}
            for labels in sorted(moved := one.values()):
                values[tuple(map(printable, labels))] = moved[labels]
            families.append(_family(one.row, sorted(one.row.labels), values))
        yield from (family for family in families if family.samples)

    def _labelled(self, points: Iterator[Point]) -> Iterator[Point]:
        """Add the labels of series that are shown; one that a series has not is empty, which is the same as none."""
        if not self._one:
            return points
        found = lru_cache(maxsize=None)(lambda key: tuple(exposed(key, self._settings.labels).values()))
        return (
            (name, (*labels, *found(labels[1])), value) if name in self._one else (name, labels, value)
            for name, labels, value in points
        )

    def points(self) -> Iterator[Point]:
        """Give all that the snapshot tells of series; what is not known is NaN."""
        snapshot, web = self._snapshot(), self._settings
        yield from _count_series(snapshot)
        alarmed = {view.name: view for view in snapshot.with_open_alarm()}
        shown = _choose(snapshot.names(), list(alarmed), web.max_series)
        among = set(shown)
        detailed = set(_choose(shown, [name for name in alarmed if name in among], web.detailed_series))
        yield "sentinel_series_unexposed", (), len(snapshot) - len(shown)
        yield "sentinel_fleet_discoveries", (), int(e_bh(snapshot.e_values()).discovered.sum())
        chosen, raised = {f"sentinel_series_{name}" for name in web.series_metrics}, self._open_alarms()
        for view in snapshot.views_of(shown):
            yield from _series(view, EVERY_METRIC if view.name in detailed else chosen)
            yield from _alarms(view, raised)
        for name in sorted(alarmed.keys() - set(shown)):
            yield from _alarms(alarmed[name], raised)
        # A line that just went away with a 1 would be the last that is known, and count again at the next lost scrape.
        for labels in self._ended():
            yield "sentinel_series_alarm", labels, False


def _is_of_one(row: table.Row) -> bool:
    return row.labels[:2] == ("source", "series")


def _family(row: table.Row, names: Sequence[str], values: Mapping[table.Labels, float | table.Durations]) -> Metric:
    """Make the family of one metric, its values by those of the labels `names`; NaN is left out."""
    family: Any = FAMILIES[row.type](row.name, row.help, labels=names, unit=row.unit)
    for labels, value in values.items():
        if isinstance(value, table.Durations):
            buckets = zip([*map(str, table.BUCKETS_SECONDS), "+Inf"], accumulate(value.counts), strict=True)
            family.add_metric(labels, list(buckets), value.seconds)
        elif not isnan(value):
            family.add_metric(labels, value)
    assert isinstance(family, Metric)
    return family


def _choose(names: Sequence[str], alarmed: Sequence[str], most: int) -> Sequence[str]:
    """Choose at most so many of the sorted names: those with an open alarm first; sorted by name again."""
    if len(names) <= most:
        return names
    # The choice changes only when an alarm does, so that no new series begin at every scrape.
    chosen = set(alarmed[:most])
    chosen.update(islice((name for name in names if name not in chosen), most - len(chosen)))
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
    for source, number in sorted(snapshot.without_rule_counts().items()):
        yield "sentinel_unwatched_series", (source,), number
    for source, number in sorted(snapshot.held_counts().items()):
        yield "sentinel_held_series", (source,), number
    for source, newest_us in sorted(snapshot.last_ticks_us().items()):
        yield "sentinel_source_last_tick_timestamp_seconds", (source,), newest_us / MICROSECONDS
    for source, number in sorted(snapshot.left_out_counts().items()):
        yield "sentinel_left_out_values", (source,), number
    for (source, check), (suspect, failed) in sorted(snapshot.check_counts().items()):
        yield "sentinel_suspect_values", (source, check), suspect
        yield "sentinel_failed_values", (source, check), failed


def _series(view: SeriesView, chosen: Collection[str]) -> Iterator[Point]:
    """Show these metrics of one series. NaN is left out by the writer: not ready has no number."""
    for point in chain(_numbers(view), _readings(view) if READING in chosen else ()):
        if point[0] in chosen:
            yield point


def _numbers(view: SeriesView) -> Iterator[Point]:
    one = (view.source, view.name)
    blind = view.state is State.BLIND
    yield "sentinel_series_ready", one, not (blind or view.state is State.LEARNING)
    yield "sentinel_series_state_code", one, STATE_CODES[view.state]
    if blind:
        yield "sentinel_series_blind", (*one, view.reason.value), 1
    hidden = view.hides_recovery
    for measure in MEASURES:
        number = measure.read(view)
        unknown = hidden and measure.value.startswith("recovery_")
        if not (unknown or (measure.may_be_open and isinf(number))):
            yield measure.metric, one, number
    # Of two rules of one name the one with the larger alpha, which alarms first, is shown.
    for rule in sorted(view.rules, key=lambda rule: (rule.kind, rule.label, -rule.alpha)):
        yield from _rule(one, rule)
    yield "sentinel_series_fleet_e_value", one, view.e_value
    if view.window_ticks:
        yield "sentinel_series_fleet_window_ticks", one, view.window_ticks
    time = nan if view.time_us == NEVER_US else view.time_us / MICROSECONDS
    yield "sentinel_series_last_tick_timestamp_seconds", one, time
    yield "sentinel_series_missing_ticks", one, view.missing_ticks


def _readings(view: SeriesView) -> Iterator[Point]:
    for threshold, reading in zip(_label_thresholds(view.thresholds), view.readings, strict=True):
        yield READING, (view.source, view.name, "lag1", threshold), reading


@lru_cache(maxsize=16)
def _label_thresholds(thresholds: tuple[float, ...]) -> Sequence[str]:
    return list(map(threshold_label, thresholds))


def _alarms(view: SeriesView, raised: Mapping[str, table.Labels]) -> Iterator[Point]:
    """Show which rules of a series have an open alarm; of two rules of one name and severity, if either has.

    An open alarm keeps the labels with which it was `raised`, though its series or source is renamed.
    """
    is_open: dict[table.Labels, bool] = {}
    for rule in view.rules:
        labels = raised.get(rule.alarm_id, (view.source, view.name, rule.kind, rule.label, rule.severity))
        is_open[labels] = is_open.get(labels, False) or bool(rule.alarm_id)
        for remark in rule.remarks:
            yield "sentinel_series_alarm_remark", (*labels[:4], remark), 1
    for each in sorted(is_open):
        yield "sentinel_series_alarm", each, is_open[each]


def _rule(one: tuple[str, str], rule: RuleView) -> Iterator[Point]:
    labels = (*one, rule.kind, rule.label)
    yield "sentinel_series_evidence", labels, rule.evidence
    yield "sentinel_series_held", labels, rule.held
    yield "sentinel_series_alpha", labels, rule.alpha
    if rule.kind != "weighted":  # several channels have no common number
        yield "sentinel_series_effective_threshold", labels, rule.threshold
    yield "sentinel_series_reference_left_pairs", labels, rule.baseline_left
