"""Verdicts on a record under several choices, laid out as a table and as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import NamedTuple

from sentinel.analysis.labels import Phase, Timeline
from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.skill import judge_alarms, judge_events
from sentinel.domain.events import AlarmEvent
from sentinel.domain.printing import some_of

_WIDTH, _HEIGHT, _LEFT, _TOP = 160, 44, 190, 26


class Verdict(NamedTuple):
    """The verdict under one choice."""

    alarmed: frozenset[str]
    """Without labels the series that ever alarmed; with labels the events that were detected."""
    total: int
    """Out of how many."""
    false: int | None
    """False alarms on quiet data; None without labels."""

    @property
    def words(self) -> str:
        """Write it for a cell: `3 of 8`, `3 of 8, 1 false`."""
        return f"{len(self.alarmed)} of {self.total}" + ("" if self.false is None else f", {self.false} false")

    def differences(self, used: Verdict) -> Iterator[str]:
        """Say in parts what is different from the verdict that was used."""
        more, less = sorted(self.alarmed - used.alarmed), sorted(used.alarmed - self.alarmed)
        if more:
            yield f"also {some_of(more, 3)}"
        if less:
            yield f"not {some_of(less, 3)}"
        if self.false != used.false:
            yield f"{self.false} false alarm{'' if self.false == 1 else 's'} instead of {used.false}"


def find_verdict(
    records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline] | None, alarms: Iterable[AlarmEvent]
) -> Verdict:
    """Find the verdict of these alarms of the records."""
    if timelines is None:
        return Verdict(frozenset(alarm.series for alarm in alarms), len(records), None)
    of_series: dict[str, list[tuple[AlarmEvent, int | None]]] = {}
    for alarm in alarms:
        of_series.setdefault(alarm.series, []).append((alarm, None))
    labelled = [replace(r, alarms=of_series.get(r.name, [])) for r in records if r.name in timelines]
    events = judge_events(labelled, timelines, {})
    detected = frozenset(f"{e.record.name} {e.record.moment(e.stretch.end_us)}" for e in events if e.alarm is not None)
    false = sum(judged.stretch.phase is Phase.QUIET for judged in judge_alarms(labelled, timelines))
    return Verdict(detected, len(events), false)


class VerdictGrid(NamedTuple):
    """Verdicts by two choices, one in the rows and one in the columns."""

    corner: str
    """Heading of the column of names of rows."""
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Verdict], Verdict]]
    """Name of the row, its verdicts, and the one that was used, with which they are compared."""
    label: str
    """Description of the picture for someone who cannot see it."""

    @property
    def different(self) -> int:
        """Number of choices with another verdict than the one used."""
        return sum(verdict != used for _, verdicts, used in self.rows for verdict in verdicts)

    @property
    def size(self) -> int:
        """Number of choices."""
        return sum(len(verdicts) for _, verdicts, _ in self.rows)

    def table(self) -> list[list[str]]:
        """Give the table; its first row names the columns."""
        rows = [[name, *(verdict.words for verdict in verdicts)] for name, verdicts, _ in self.rows]
        return [[self.corner, *self.columns], *rows]

    def picture(self) -> str:
        """Draw a square for each choice, darker the more alarmed, with a broken border where the verdict is another."""
        parts = []
        for y, (name, verdicts, used) in enumerate(self.rows):
            parts.append(f'<text x="0" y="{_TOP + _HEIGHT * y + 27}">{escape(name)}</text>')
            for x, verdict in enumerate(verdicts):
                share = len(verdict.alarmed) / verdict.total if verdict.total else 0.0
                same = 'stroke="#1b2227"'
                border = same if verdict == used else 'stroke="#98182f" stroke-width="2" stroke-dasharray="5 4"'
                parts.append(
                    f'<rect x="{_LEFT + _WIDTH * x + 2}" y="{_TOP + _HEIGHT * y + 2}" width="{_WIDTH - 4}" '
                    f'height="{_HEIGHT - 4}" rx="4" fill="#17598a" fill-opacity="{0.05 + 0.4 * share:.2f}" {border}/>'
                    f'<text x="{_LEFT + _WIDTH * (x + 0.5)}" y="{_TOP + _HEIGHT * y + 27}" text-anchor="middle">'
                    f"{escape(verdict.words)}</text>"
                )
        parts += [
            f'<text x="{_LEFT + _WIDTH * (x + 0.5)}" y="16" text-anchor="middle">{escape(name)}</text>'
            for x, name in enumerate(self.columns)
        ]
        size = f'width="{_LEFT + _WIDTH * len(self.columns)}" height="{_TOP + _HEIGHT * len(self.rows)}"'
        label = escape(f"{self.label}; a broken border marks another verdict than the one used", quote=True)
        return f'<svg {size} font-size="13" role="img" aria-label="{label}">{"".join(parts)}</svg>'
