"""What the web server gives: a scrape beside the library's encoder, and the status page. CPU time, not wall time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from time import process_time

from pipeline_rows import batches, persistent
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from timing import Action, Row, Spread

from sentinel.config import Settings, WebSettings
from sentinel.domain.clock import Clock
from sentinel.domain.metrics import OF_SERIES, Metrics
from sentinel.pipeline.pipeline import Pipeline, PipelineState
from sentinel.pipeline.snapshot import Snapshot
from sentinel.views.gauges import Point
from sentinel.views.prometheus import Exposition
from sentinel.views.web.pages import Access, Query, fleet

EVERY_SECOND = Settings.model_validate({"series": [{"match": "*", "cadence": "1s"}]})


class _Registry:
    """The points as families of the library."""

    def __init__(self, points: list[Point]) -> None:
        self._points = points

    def collect(self) -> Iterator[Metric]:
        families = {row.name: GaugeMetricFamily(row.name, row.help, labels=row.labels) for row in OF_SERIES}
        for name, labels, value in self._points:
            families[name].add_metric(labels, value)
        yield from families.values()


class _Standing(Clock):
    def now_us(self) -> int:
        return 0


def cpu(action: Action, repeats: int) -> list[float]:
    """CPU seconds of each of the calls, after one that is not counted."""
    action()
    found = []
    for _ in range(repeats):
        start = process_time()
        action()
        found.append(process_time() - start)
    return found


def _state(series: int, ticks: int) -> tuple[Pipeline, PipelineState]:
    pipeline = Pipeline(EVERY_SECOND)
    state = pipeline.init()
    for batch in batches(persistent(ticks, series)):
        state, _ = pipeline.advance(state, batch)
    return pipeline, state


def scrape(series: int, ticks: int, repeats: int) -> list[Row]:
    """A scrape with all metrics of each series, and with those that are shown by default."""
    pipeline, state = _state(series, ticks)
    rows = []
    for what, web in (
        ("every metric", WebSettings(detailed_series=series, max_series=series)),
        ("by default", WebSettings(max_series=series)),
    ):
        exposition = Exposition(lambda: Snapshot(pipeline, state, taken_us=0), Metrics(), web)
        points = list(exposition.points())
        ours, peer = cpu(exposition.render, repeats), cpu(partial(generate_latest, _Registry(points)), repeats)
        lines = sum(not line.startswith(b"#") for line in exposition.render()[0].splitlines())
        rows.append(
            Row(f"scrape of {series:,} series, {what}, CPU",
                f"state to text: {lines:,} lines, {1e6 * min(ours) / lines:.2g} us a line",
                f"the encoder of prometheus_client alone: {1e6 * min(peer) / lines:.2g} us a line",
                Spread.of(ours), unit="s", required=0.1, at_most=True)
        )  # fmt: skip
    return rows


def page(series: int, ticks: int, repeats: int) -> Row:
    """The status page, first rows, by alarm and ranked as a fleet."""
    pipeline, state = _state(series, ticks)
    access = Access(
        lambda: Snapshot(pipeline, state, taken_us=0), lambda: (), lambda: (), lambda: "", lambda _: (b"", "")
    )
    by_alarm = cpu(lambda: fleet(access, _Standing(), Query()), repeats)
    return Row(
        f"status page of {series:,} series, ranked as a fleet, CPU", f"by alarm {1e3 * min(by_alarm):.3g} ms", "-",
        Spread.of(cpu(lambda: fleet(access, _Standing(), Query(order="fleet")), repeats)), unit="s", required=1.0,
        at_most=True,
    )  # fmt: skip
