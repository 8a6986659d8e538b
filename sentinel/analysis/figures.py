"""From what an analysis found to the picture of one series."""

from __future__ import annotations

import io
import textwrap

from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.sentences import choices
from sentinel.domain.errors import DataError
from sentinel.pipeline.portrait import Portrait
from sentinel.views.picture import Alarm, Caption, Figure, Instrument, draw, write

REPORT_DOTS_PER_INCH = 150


def figure(record: SeriesRecord, portrait: Portrait | None, *, titled: bool = True) -> Figure:
    """Draw one series; without its name above where a page says it already.

    Raises
    ------
    DataError
        It has not a single tick.
    """
    columns = None if portrait is None else portrait.columns()
    if columns is None or record.plan is None:
        raise DataError(f"series {record.name!r}: no tick; at least two time stamps are needed to know the cadence")
    chosen = choices([record])[0]
    missing = f", {record.missing:,} missing" if record.missing else ""
    caption = Caption(
        title=record.name if titled else "",
        subtitle=f"1 tick = {chosen.cadence} · half-life {record.plan.half_life:g} ticks · "
        f"{record.ticks:,} ticks{missing}",
        value_label=textwrap.shorten(record.name.rsplit("/", 1)[-1], 24, placeholder="..."),
    )
    instrument = Instrument(record.thresholds, record.plan.cadence_us, record.plan.rules)
    alarms = [Alarm.of(event, cleared) for event, cleared in record.alarms]
    return draw(columns, record.axis, instrument, caption, alarms)


def png(made: Figure) -> bytes:
    """A figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    write(made, buffer, "png", REPORT_DOTS_PER_INCH)
    return buffer.getvalue()
