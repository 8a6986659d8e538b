"""Alarms as they would have been with the values that are known now: confirmed, withdrawn, or newly raised.

The journal keeps the first value of each series and time, on which verdicts were given, and beside it what corrected it
later. Here the journal is replayed once more with the latest corrections in the place of the first values, each at the
moment at which the first one came: what was known then and what is known now can be laid side by side.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from sentinel.config import Settings
from sentinel.domain.acting import Action
from sentinel.domain.events import WITHDRAWN
from sentinel.journal import Committed, Corrected, Journal, group_joined
from sentinel.runtime.replica import Replica
from sentinel.text.claims import body_of

CONFIRMED, RAISED = "confirmed", "newly raised"
_END = 1 << 62

Body: TypeAlias = Mapping[str, Any]
Latest: TypeAlias = Mapping[int, Mapping[tuple[int, int], float]]
"""By batch, and in it by time and series: the latest value in the place of the first one."""


class Amended(NamedTuple):
    """The verdict on an alarm after a correction."""

    verdict: str
    body: Body
    """The event that raised it: the one that was sent, or of a new one that which follows now."""


class Episode(NamedTuple):
    """An alarm from its beginning to its end."""

    body: Body
    """Of the event that raised it."""
    ended: Body | None = None
    """None while it is open."""

    @property
    def end_us(self) -> int:
        """When it ended; far away while it is open."""
        return _END if self.ended is None else int(self.ended["time_us"])

    def overlaps(self, other: Episode) -> bool:
        """Tell whether both are of one rule of one series, and were open at the same time."""
        one, two = self.body, other.body
        same = (one["series"], one["rule"], one["label"]) == (two["series"], two["rule"], two["label"])
        return same and bool(one["time_us"] <= other.end_us and two["time_us"] <= self.end_us)


def amend(journal: Journal) -> list[Amended]:
    """Say of every alarm of a series whether it stands, by the corrected values; those in order of time.

    Raises JournalForgotten where retention has forgotten the journal's beginning.
    """
    sent = pair_up(kept.body for kept in journal.events())
    replica, bodies = Replica(Settings()), []
    for joined in group_joined(with_corrections(journal, find_latest(journal.corrections()))):
        result = replica.apply(*joined)
        bodies += [body_of(event) for event in result.events]
    return judge(sent, pair_up(bodies))


def judge(sent: Sequence[Episode], now: Sequence[Episode]) -> list[Amended]:
    """Hold what was sent against what follows now; in order of time."""
    found = [
        Amended(CONFIRMED if any(map(episode.overlaps, now)) else WITHDRAWN, episode.body) for episode in sent
    ] + [Amended(RAISED, episode.body) for episode in now if not any(map(episode.overlaps, sent))]  # fmt: skip
    return sorted(found, key=lambda one: (one.body["time_us"], one.body["series"], one.body["alarm_id"]))


def with_corrections(journal: Journal, latest: Latest, begin: int = 0) -> Iterator[Committed]:
    """Read the journal with the latest values in the place of the first ones; by them no state changes twice."""
    for committed in journal.tail(begin):
        if committed.kind == "operator" and committed.payload.get("action") == Action.AMENDED:
            committed = replace(committed, payload={})
        mine = latest.get(committed.batch)
        if mine is not None:
            value = committed.value.copy()
            near = np.flatnonzero(np.isin(committed.time_us, [time_us for time_us, _ in mine])).tolist()
            for at in near:
                key = int(committed.time_us[at]), int(committed.series[at])
                value[at] = mine.get(key, value[at])
            committed = replace(committed, value=value)
        yield committed


def find_latest(corrections: Corrected, until: int | None = None) -> Latest:
    """Find by batch the latest value of each observation that was corrected, by batches up to `until`."""
    if until is not None:
        corrections = corrections.at(corrections.batch <= until)
    found: dict[int, dict[tuple[int, int], float]] = defaultdict(dict)
    columns = (corrections.first_batch, corrections.time_us, corrections.series, corrections.value)
    for batch, time_us, series, value in zip(*(column.tolist() for column in columns), strict=True):
        found[batch][time_us, series] = value
    return found


def pair_up(bodies: Iterable[Body]) -> list[Episode]:
    """Pair what raised alarms of series with what ended them; a site's alarms have members, and are left out."""
    found: dict[str, Episode] = {}
    for body in bodies:
        alarm = body["alarm_id"]
        if body["what"] == "raised" and "members" not in body:
            found[alarm] = Episode(body)
        elif body["what"] == "cleared" and alarm in found:
            found[alarm] = found[alarm]._replace(ended=body)
    return list(found.values())
