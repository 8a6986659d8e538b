"""Pictures of one series: for a page, as a file, and as numbers for those who cannot see them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sentinel.analysis.record import SeriesRecord, cadence_in_words, describe
from sentinel.domain.channels import Estimates
from sentinel.domain.errors import DataError, SentinelError, UsageError
from sentinel.domain.observation import Axis
from sentinel.domain.spans import print_rounded
from sentinel.domain.states import STATES
from sentinel.pipeline.history import Columns, Portrait
from sentinel.pipeline.plan import PlanRule
from sentinel.tables.units import column_of, with_unit
from sentinel.text.words import lag1_in_words
from sentinel.views.picture import FORMATS, Alarm, Look
from sentinel.views.picture.inline import draw_inline
from sentinel.views.picture.scripted import list_panels, pack

if TYPE_CHECKING:
    from sentinel.views.picture.figure import Figure

DOTS_PER_INCH = 150
MOMENTS = 8
"""Moments of a picture that are given in numbers."""
HEADINGS = ("until", "value", "lag-1 (95 % band)", "modulus", "variance", "evidence", "state")


class PagePicture(NamedTuple):
    """The picture of a series for a page."""

    svg: str
    """Empty where the page draws it itself, from `numbers`."""
    moments: Sequence[Sequence[str]]
    """The same in numbers: rows of cells, under `HEADINGS`."""
    numbers: str = ""
    """JSON for the script of the page."""
    panels: str = ""
    """Names of the panels that the page draws of them."""


def draw_record(record: SeriesRecord, portrait: Portrait | None, look: Look | None = None) -> Figure:
    """Draw the stability spectrogram of one series, to be written as a file.

    Raises DataError: it has not a single tick.
    """
    from sentinel.views.picture.figure import draw

    title, subtitle = record.name, _subtitle(record)
    return draw(*_drawn(record, portrait), title=title, subtitle=subtitle, value_label=_label(record), look=look)


def draw_for_page(record: SeriesRecord, portrait: Portrait | None, key: str = "picture") -> PagePicture:
    """Draw the stability spectrogram of one series for a page, which names the series itself.

    `key` is a word that tells apart pictures of a series of one number on one page.

    Raises DataError: it has not a single tick.
    """
    drawn = _drawn(record, portrait)
    words = f"Stability spectrogram of {record.name}: {describe(record)}."
    subtitle, label = _subtitle(record), _label(record)
    svg = draw_inline(*drawn, key=f"{key}-{record.id}", subtitle=subtitle, value_label=label, words=words)
    return PagePicture(svg, list(_list_moments(record, drawn[0])))


def pack_for_page(record: SeriesRecord, portrait: Portrait, most: int) -> PagePicture:
    """Give the numbers of one series, in at most so many columns, to a page that draws it once it is looked at."""
    drawn = _drawn(record, portrait, most)
    numbers, columns = pack(*drawn, name=record.name, unit=record.unit), drawn[0]
    return PagePicture("", list(_list_moments(record, columns)), numbers, " ".join(list_panels(columns)))


def picture_format(path: Path, option: str) -> str:
    """Give the format of a picture by the ending of its file; UsageError if there is none of that name."""
    ending = path.suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        raise UsageError(f"{option} {path}: the ending must be {', '.join(f'.{one}' for one in FORMATS)}")
    return ending


def write_picture(figure: Figure, path: Path, option: str) -> None:
    """Write a figure in the format that the ending of its file says.

    Raises UsageError: another ending. SentinelError: it cannot be written.
    """
    from sentinel.views.picture.figure import write

    ending = picture_format(path, option)
    try:
        write(figure, path, ending, DOTS_PER_INCH)
    except OSError as error:
        raise SentinelError(f"{path}: {error.strerror or error}; it must be writable, with enough room") from error


def _drawn(
    record: SeriesRecord, portrait: Portrait | None, most: int | None = None
) -> tuple[Columns, Axis, Sequence[float], int, Sequence[PlanRule], Sequence[Alarm]]:
    """Give what every picture is drawn from: columns, axis, thresholds, cadence, rules, alarms."""
    columns, plan = None if portrait is None else portrait.columns(most), record.plan
    if columns is None or plan is None:
        raise DataError(f"series {record.name!r}: no tick; at least two time stamps are needed to know the cadence")
    return columns, record.axis, record.thresholds, plan.cadence_us, plan.rules, record.alarms


def _subtitle(record: SeriesRecord) -> str:
    assert record.plan is not None
    missing = f", {record.missing:,} missing" if record.missing else ""
    half_life = f"half-life {record.plan.half_life:g} ticks"
    return f"1 tick = {cadence_in_words(record)} · {half_life} · {record.ticks:,} ticks{missing}"


def _label(record: SeriesRecord) -> str:
    return with_unit(textwrap.shorten(column_of(record.name), 24, placeholder="..."), record.unit)


def _list_moments(record: SeriesRecord, columns: Columns) -> Iterator[list[str]]:
    """Give the numbers of the picture at moments that divide it evenly, the last one among them."""
    size = len(columns)
    at = np.unique(np.ceil(np.linspace(0, size, MOMENTS + 1))[1:].astype(np.int64) - 1)
    lines = (columns.end_us, columns.value_low, columns.value_high, columns.evidence, columns.state)
    estimates = zip(*(line[at].tolist() for line in columns.estimates), strict=True)
    for seen, end_us, low, high, evidence, state in zip(
        map(Estimates._make, estimates), *(line[at].tolist() for line in lines), strict=True
    ):
        ratio = print_rounded(math.exp(min(seen.spread, 700.0)))
        value = "missing" if math.isnan(low) else f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
        yield [
            record.moment(end_us),
            value,
            "not ready" if math.isnan(seen.lag1) else lag1_in_words(seen),
            "not ready" if math.isnan(seen.modulus) else f"{seen.modulus:.2f}",
            "not ready" if math.isnan(seen.spread) else f"{ratio} \N{MULTIPLICATION SIGN}",
            "not ready" if math.isnan(evidence) else f"{evidence:.1f}",
            STATES[state].value,
        ]  # fmt: skip
