"""What the rules that take several series of a site together found, in words for page and terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.report import Section
from sentinel.domain.events import SiteEvent

LISTED = 30
"""Alarms named one by one."""


def section(events: Sequence[SiteEvent], names: Sequence[str], records: Sequence[SeriesRecord]) -> Section:
    """The alarms of all sites.

    Parameters
    ----------
    names
        Names of all sites.
    records
        What is known of the series; those of a site share an axis.
    """
    raised = [event for event in events if event.what == "raised"]
    words = [*_words(raised[:LISTED], {event.alarm_id: event for event in events if event.what == "cleared"}, records)]
    if len(raised) > LISTED:
        words.append(f"and {len(raised) - LISTED:,} more alarms, in sites.csv")
    words += [f"{name}: no alarm." for name in names if all(event.series != name for event in raised)]
    limit = "Labelled events are held against series, not against sites: compare these moments with them yourself."
    return Section("Several series of a site together", tuple(words), limits=(limit,))


def _words(
    raised: Sequence[SiteEvent], cleared: dict[str, SiteEvent], records: Sequence[SeriesRecord]
) -> Iterator[str]:
    moment = records[0].moment
    for event in raised:
        end = f"until {moment(cleared[event.alarm_id].time_us)}" if event.alarm_id in cleared else "on"
        yield f"{event.series}: at least {event.k} series in alarm from {moment(event.time_us)} {end}: " + (
            "; ".join(event.members) + "."
        )
