"""The inbox: the queue of frames before the engine, and the accounts of what became of them.

The queue leads from many threads to the one engine, and is bounded by the observations in it. When it is full the
producers wait, so that a source is read no faster than the engine works: memory stays bounded, and what waits is still
safe at its source.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping
from threading import Condition
from typing import NamedTuple

from sentinel.config import Settings, identity
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import OBSERVATIONS, Frame, Rejection
from sentinel.domain.states import SourceStatus
from sentinel.journal import Committed
from sentinel.pipeline.pipeline import PipelineState, Result
from sentinel.pipeline.retiring import is_new
from sentinel.pipeline.sites import SiteStates
from sentinel.runtime.ownership import Ownership
from sentinel.tables.counters import FEWEST

logger = logging.getLogger(__name__)

MOST_FRAMES = 10_000
"""Frames that wait at most: those without observations, and tables of a single row, need memory, too."""
NAMED = 20
"""Columns named in one line of the log."""
SILENT_POLLS = 3
"""A source that has not answered for this many of its intervals no longer speaks for its own clock."""


class Inbox:
    """Bounded queue of frames: many producers, one consumer, in the order of arrival."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"inbox: capacity {capacity}; at least 1 observation is needed")
        self.capacity = capacity
        """Observations that fit; one single frame may hold more."""
        self._frames: deque[Frame] = deque()
        self._observations = 0
        self.closed = False
        """Nothing is accepted any more."""
        self._changed = Condition()

    def __len__(self) -> int:
        """Observations that wait."""
        return self._observations

    @property
    def has_frames(self) -> bool:
        """True if a frame waits, be it one without observations."""
        return bool(self._frames)

    def put(self, frame: Frame, timeout: float | None = None) -> bool:
        """Append a frame, waiting until there is room for it.

        A frame larger than the whole inbox is let in when no observation waits; one without observations needs no room.
        False if the inbox was closed or `timeout` seconds went by.
        """
        size = frame.observations.height
        with self._changed:
            self._changed.wait_for(lambda: self.closed or self._has_room(size), timeout)
            if self.closed or not self._has_room(size):
                return False
            self._frames.append(frame)
            self._observations += size
            self._changed.notify_all()
            return True

    def take_all(self, timeout: float | None = None) -> list[Frame]:
        """Take all frames that wait, oldest first.

        Waits up to `timeout` seconds for a first one (None = for ever); returns none if there was none, or if the
        inbox was closed and is empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.closed or bool(self._frames), timeout)
            frames = list(self._frames)
            self._frames.clear()
            self._observations = 0
            self._changed.notify_all()
            return frames

    def close(self) -> None:
        """Accept nothing more and wake everybody; frames that wait can still be taken."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        fits = not size or not self._observations or self._observations + size <= self.capacity
        return fits and len(self._frames) < MOST_FRAMES


class Received(NamedTuple):
    """A frame as it is taken, with what becomes of series that another source had."""

    frame: Frame
    moved: list[str]
    """Series that belonged to another source before and come from this one from now on."""
    anew: list[str]
    """Those of them that start afresh."""


class Accounts:
    """Kept by the engine's thread; everyone may read `statuses`."""

    def __init__(self, settings: Settings, metrics: Metrics, clock: Clock) -> None:
        self._metrics, self._clock = metrics, clock
        self._heard: dict[str, int] = {}
        self._without_numbers: dict[str, frozenset[str]] = {}
        self._with_labels: set[str] = set()
        self._sites: set[str] = set()
        self.labels: dict[str, str] = {}
        """Names of the sources by their ids."""
        self.statuses: dict[str, SourceStatus] = {}
        """Facts about each source, by its id."""
        self.change(settings)

    def change(self, settings: Settings) -> None:
        """Keep accounts of the sources of these settings; of one that has gone nothing is shown any more."""
        labels = {identity(source): source.name for source in settings.sources}
        for gone in set(self.labels.values()) - set(labels.values()):
            self._metrics.forget(source=gone)
            self._metrics.forget(task=gone)
        for one in self.labels.keys() - labels.keys():
            self.statuses.pop(one, None)
        new = {one: name for one, name in labels.items() if self.labels.get(one) != name}
        self.statuses |= {one: SourceStatus(name) for one, name in new.items()}
        # A source that pushes has no interval: its watermark goes on with our clock from its last frame on.
        self._every = {identity(source): getattr(source, "every", 0) for source in settings.sources}
        if list(labels) != list(self.labels) or not self.labels:
            self.ownership = Ownership(list(self._every))
        self.labels = labels
        self._show_zeros(settings, new.values())

    def _show_zeros(self, settings: Settings, sources: Iterable[str]) -> None:
        """Show every counter whose labels are known before it first counts."""
        metrics = self._metrics
        for rule in settings.alarms:
            for alarms in (
                metrics.alarms_raised, metrics.alarms_cleared, metrics.alarm_watching_ticks, metrics.alarm_open_ticks,
            ):  # fmt: skip
                alarms.inc(0, detector=rule.kind, threshold=rule.label)
        for site in settings.sites:
            for alarms in (metrics.site_alarms_raised, metrics.site_alarms_cleared):
                alarms.inc(0, series=site.name)
        for name in sources:
            metrics.source_up.set(0, source=name)  # one that hangs at the start is down, not unknown
            metrics.source_catching_up.set(0, source=name)
            metrics.source_in_flight_since.set(0, source=name)
            for counter in (
                metrics.observations_received, metrics.observations_accepted, metrics.observations_duplicate,
                metrics.observations_revised, metrics.observations_late, metrics.observations_on_hold, metrics.ticks,
                metrics.missing_ticks, metrics.gaps,
            ):  # fmt: skip
                counter.inc(0, source=name)
            for reason in Rejection.ALL:
                metrics.observations_rejected.inc(0, source=name, reason=reason)

    def receive(self, frame: Frame, state: PipelineState) -> Received:
        """Note that a source has answered; give its frame without series that belong to another source."""
        self._heard[frame.source] = self._clock.now_us()
        self.ownership.follow(state)
        if frame.observations.schema != OBSERVATIONS:
            return Received(frame, [], [])  # the journal refuses it
        names = frame.names()
        foreign, moved, anew = self.ownership.sort_out(names, frame.source)
        label = self._label(frame.source)
        if frame.source not in self._with_labels and (new := self.ownership.gets_labels(names, frame.source)):
            self._with_labels.add(frame.source)
            logger.warning(
                "series with labels begin anew beside those without; if they are the same, `sentinel series forget` "
                "the new one and `sentinel series rename` the old one to it",
                extra={"source": label, "series": new},
            )
        if anew:
            logger.error(
                "series of two sources: they start afresh as those of the earlier one in the settings, the other is "
                "refused; give other names (prefix, by, columns, series)",
                extra={"source": label, "series": anew[0], "count": len(anew)},
            )
        elif moved:
            logger.warning(
                "series that belonged to another source are taken over; if they are not the same, give it a prefix",
                extra={"source": label, "series": moved[0], "count": len(moved)},
            )
        if not foreign:
            return Received(frame, moved, anew)
        first = min(foreign)
        logger.error(
            "series of another source refused; give other names (prefix, by, columns, series)",
            extra={"source": label, "series": first, "belongs_to": self._label(foreign[first])},
        )
        return Received(frame.without(list(foreign), Rejection.FOREIGN), moved, anew)

    def new_series(self, frame: Frame, state: PipelineState) -> set[str] | None:
        """Name the series of a frame that nobody has brought before; None where others are of another source."""
        self.ownership.follow(state)
        if frame.observations.schema != OBSERVATIONS:
            return None
        others = {name for name in frame.names() if not self.ownership.belongs(name, frame.source)}
        return None if any(name in self.ownership for name in others) else others

    def unknown_series(self, frame: Frame) -> list[str]:
        """Name the series of a frame, as `receive` gave it, that have not been seen before."""
        if frame.observations.schema != OBSERVATIONS:
            return []
        return [name for name in frame.names() if name not in self.ownership]

    def note_columns(self, frame: Frame, state: PipelineState) -> list[str]:
        """Note which columns of a source count or have had no number yet; new ones of these are named in the log.

        Returns the series to forget: those of columns that turned out to count, unless they have an earlier past.
        """
        if frame.columns is None:
            return []
        self.ownership.follow(state)
        foreign = self.ownership.sort_out(frame.columns, frame.source).foreign
        silent = frozenset(name for name in frame.columns if name not in self.ownership and name not in foreign)
        status, label = self._status(frame.source), self._label(frame.source)
        status.counting = frame.counting
        self._metrics.source_counting_columns.set(len(frame.counting), source=label)
        new = sorted(silent - self._without_numbers.get(frame.source, frozenset()))
        if new:
            more = f" and {len(new) - NAMED:,} more" if len(new) > NAMED else ""
            logger.warning("no numbers yet", extra={"source": label, "columns": ", ".join(new[:NAMED]) + more})
        self._without_numbers[frame.source] = silent
        status.without_numbers = tuple(sorted(silent))
        self._metrics.source_columns_without_numbers.set(len(silent), source=label)
        own = (name for name in frame.counting if self.ownership.belongs(name, frame.source))
        return [name for name in own if is_new(state, name, most=FEWEST)]

    def refuse(self, frame: Frame, why: str) -> None:
        """Count a frame that the journal did not take."""
        self._metrics.source_fetch_failures.inc(source=self._label(frame.source))
        self._status(frame.source).refused += 1
        logger.error("frame refused", extra={"source": self._label(frame.source), "why": why})

    def count_commit(self, frame: Frame, committed: Committed) -> None:
        """Count the observations of a frame that was committed."""
        metrics, name, status = self._metrics, self._label(frame.source), self._status(frame.source)
        received, accepted = frame.observations.height + frame.repeated, committed.series.size
        metrics.observations_received.inc(received, source=name)
        metrics.observations_accepted.inc(accepted, source=name)
        metrics.observations_duplicate.inc(committed.duplicates + frame.repeated, source=name)
        metrics.observations_revised.inc(committed.revised, source=name)
        for reason, count in frame.rejected.items():
            metrics.observations_rejected.inc(count, source=name, reason=reason)
        for mark, count in frame.marked.items():
            metrics.observations_marked.inc(count, source=name, reason=mark)
            status.marked[mark] = status.marked.get(mark, 0) + count
        status.received += received
        status.accepted += accepted
        status.rejected += sum(frame.rejected.values())
        if accepted:
            self._note_newest(frame.source, int(committed.time_us.max()))

    def resume(self, state: PipelineState) -> None:
        """Note what a restored state knows of the sources: what they brought before is not nothing."""
        for source, newest_us in state.newest_us().items():
            if source in self.labels:
                self._note_newest(source, newest_us)

    def _note_newest(self, source: str, newest_us: int) -> None:
        status = self._status(source)
        status.newest_us = newest_us if status.newest_us is None else max(newest_us, status.newest_us)
        self._metrics.source_last_observation.set(status.newest_us / MICROSECONDS, source=self._label(source))

    def count_too_old(self, counts: Mapping[str, int]) -> None:
        """Count by source the corrections of values too old to be computed anew, and log it."""
        for source, count in counts.items():
            self._metrics.observations_rejected.inc(count, source=self._label(source), reason=Rejection.TOO_OLD)
            self._status(source).rejected += count
            logger.warning(
                "values are older than all that can be computed anew: they are kept and change nothing",
                extra={"source": self._label(source), "count": count},
            )

    def count_result(self, result: Result, forgotten: Mapping[str, int]) -> None:
        """Count what one batch gave: ticks, late observations, alarms, and ticks with and without one.

        Late ones from before what the journal has left are too old; `forgotten` says how many there are, by source.
        """
        too_old = {source: min(late, forgotten[source]) for source, late in result.late.items() if source in forgotten}
        self.count_too_old(too_old)
        for source, all_late in result.late.items():
            late = all_late - too_old.get(source, 0)
            self._metrics.observations_late.inc(late, source=self._label(source))
            self._status(source).late += late
        for source, held in result.held.items():
            self._metrics.observations_on_hold.inc(held, source=self._label(source))
        for source, (ticks, missing, gaps) in result.ticks.items():
            label = self._label(source)
            self._metrics.ticks.inc(ticks, source=label)
            self._metrics.missing_ticks.inc(missing, source=label)
            self._metrics.gaps.inc(gaps, source=label)
        for (kind, label), (watching, in_alarm) in result.alarm_ticks.items():
            self._metrics.alarm_watching_ticks.inc(watching, detector=kind, threshold=label)
            self._metrics.alarm_open_ticks.inc(in_alarm, detector=kind, threshold=label)
        for event in result.events:
            alarms = self._metrics.alarms_raised if event.what == "raised" else self._metrics.alarms_cleared
            alarms.inc(detector=event.rule, threshold=event.label)
        for site in result.sites:
            alarms = self._metrics.site_alarms_raised if site.what == "raised" else self._metrics.site_alarms_cleared
            alarms.inc(series=site.series)

    def show_sites(self, settings: Settings, sites: SiteStates) -> None:
        """Say of each site whether it alarms; one whose settings have gone is shown without an alarm."""
        self._sites |= {site.name for site in settings.sites}
        for name in self._sites:
            standing = sites.get(name)
            self._metrics.site_alarm.set(standing is not None and standing.raised_us >= 0, series=name)

    def watermarks(self, told: Mapping[str, int]) -> dict[str, int]:
        """Let the watermarks that the sources have `told` go on for those that are silent or removed."""
        now = self._clock.now_us()
        watermarks = dict(told)
        for name in watermarks:
            silent = now - self._heard.setdefault(name, now)
            if silent > SILENT_POLLS * self._every.get(name, 0):
                watermarks[name] += silent
        return watermarks

    def _label(self, source: str) -> str:
        """Give the name of a source, by its id."""
        return self.labels.get(source, source)

    def _status(self, source: str) -> SourceStatus:
        # A removed source may still have late ticks.
        return self.statuses.setdefault(source, SourceStatus(self._label(source)))
