"""Writes gauges in the text formats of Prometheus, byte for byte as prometheus_client does, at a fifth of its cost.

The library makes an object of each line and spells its labels anew. Here it is asked for one line of each family; in
that only label values and number are then replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import isnan
from operator import itemgetter
from typing import Any

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from sentinel.domain.metrics import Labels, Row

Encode = Callable[[Any], bytes]
"""An encoder of prometheus_client."""
Point = tuple[str, Labels, float]
"""Name, label values in the order of the table, value."""
END = b"# EOF\n"
"""Ends a text in the OpenMetrics format."""
_SOME = '="\0"'
_in_go: Callable[[float], str] = floatToGoString


def write_gauges(rows: Iterable[Row], points: Iterable[Point], encode: Encode) -> bytes:
    """Write the points as families, in the order of the rows, in the format of `encode`, without its end.

    NaN, which is not known, is left out, and so is a family without a point.
    """
    found: dict[str, dict[Labels, float]] = {row.name: {} for row in rows}
    printed = _Printed()
    for name, labels, value in points:
        if not isnan(value):
            # Of two equal label sets the first counts: a doubled line would cost the whole scrape.
            found[name].setdefault(tuple([printed[label] for label in labels]), value)
    lines: list[str] = []
    for row in rows:
        if values := found[row.name]:
            head, line = _form(row, encode)
            lines.append(head)
            in_order = _sort_labels(row)
            lines += [line % (*in_order(labels), _number(value)) for labels, value in values.items()]
    return "".join(lines).encode()


def printable(text: str) -> str:
    """Replace what UTF-8 cannot hold (half a surrogate pair from a file of unknown encoding)."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


class _Printed(dict[str, str]):
    """Label values as they are printed, each spelled once."""

    def __missing__(self, text: str) -> str:
        escaped = printable(text).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
        self[text] = escaped
        return escaped


@dataclass(frozen=True, slots=True)
class _Single(Collector):
    family: Metric

    def collect(self) -> Iterator[Metric]:
        yield self.family


def _form(row: Row, encode: Encode) -> tuple[str, str]:
    """Give the head of a family, and a line with `%s` in place of each label value and of the number."""
    family = GaugeMetricFamily(row.name, row.help, labels=row.labels, unit=row.unit)
    family.add_metric(["\0"] * len(row.labels), 0.0)
    *head, line = encode(_Single(family)).removesuffix(END).decode().splitlines(keepends=True)
    assert line.count(_SOME) == len(row.labels), line
    assert line.endswith(" 0.0\n"), line
    return "".join(head), line.replace(_SOME, '="%s"').removesuffix("0.0\n") + "%s\n"


def _sort_labels(row: Row) -> Callable[[Labels], tuple[str, ...]]:
    """Return what puts label values in the order of their names, as in a line."""
    order = [row.labels.index(name) for name in sorted(row.labels)]
    return itemgetter(*order) if len(order) > 1 else tuple


def _number(value: float) -> str:
    # Beyond a million the exponent is Go's, which the library knows; bool and int are numbers too.
    return repr(number) if -1e6 < (number := float(value)) < 1e6 else _in_go(number)
