"""Which series have an open alarm: those in state warning or critical, and those that went blind with one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from sentinel.domain.states import SeriesView, State
from sentinel.pipeline.snapshot import Snapshot


def with_open_alarm(snapshot: Snapshot) -> Iterator[SeriesView]:
    """Give the series with an open alarm, the most alarming first and the blind ones last."""
    # A series that is watching or learning has none, and those come last: a large fleet is not gone through.
    for view in takewhile(lambda one: one.state not in (State.WATCHING, State.LEARNING), snapshot.views()):
        if any(rule.alarm_id for rule in view.rules):
            yield view
