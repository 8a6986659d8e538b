"""Our writer of gauges beside the library's: the same bytes, in every format that a scraper may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from sentinel.domain.metrics import OF_SERIES
from sentinel.views.gauges import END, Point, printable, write_gauges
from tests.laws import examples

FORMATS = (
    "",
    "text/plain;version=0.0.4",
    "text/plain;version=1.0.0;escaping=dots",
    "application/openmetrics-text;version=1.0.0",
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
    "application/openmetrics-text;version=1.0.0;escaping=values",
    "application/openmetrics-text;version=1.0.0;escaping=dots",
)
TEXT = st.text(st.characters(exclude_categories=()), max_size=9) | st.sampled_from(["a", "%s", '\\"\n', "?", "\ud800"])
NUMBERS = st.floats() | st.integers(-(10**18), 10**18) | st.booleans() | st.sampled_from([1e6, 999999.5, -1e6, -0.0])
POINTS = st.lists(
    st.sampled_from(OF_SERIES).flatmap(
        lambda row: st.tuples(st.just(row.name), st.tuples(*[TEXT] * len(row.labels)), NUMBERS)
    )
)


class Families:
    """The same points as a registry of the library."""

    def __init__(self, points: list[Point]) -> None:
        self.points = points

    def collect(self) -> Iterator[Metric]:
        for row in OF_SERIES:
            family = GaugeMetricFamily(row.name, row.help, labels=row.labels, unit=row.unit)
            seen = set()
            for name, labels, value in self.points:
                printed = tuple(map(printable, labels))
                if name == row.name and not isnan(value) and printed not in seen:
                    seen.add(printed)
                    family.add_metric(printed, value)
            if family.samples:
                yield family


@pytest.mark.parametrize("accept", FORMATS)
@settings(max_examples=examples(15, 40), deadline=None)
@given(points=POINTS)
def test_the_bytes_are_those_of_the_library(accept: str, points: list[Point]) -> None:
    encode, _ = choose_encoder(accept)
    assert write_gauges(OF_SERIES, points, encode) == encode(Families(points)).removesuffix(END)
