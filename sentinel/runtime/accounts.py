"""Accounts of the sources: what came from each, what became of it, and up to when it has told everything."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sentinel.config import Settings
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import Frame, Rejection
from sentinel.domain.states import SourceStatus
from sentinel.journal import Committed
from sentinel.pipeline.pipeline import PipelineState, Result

logger = logging.getLogger(__name__)

SILENT_POLLS = 3
"""A source that has not answered for this many of its intervals no longer speaks for its own clock."""


class Accounts:
    """Kept by the engine's thread; everyone may read `statuses`."""

    def __init__(self, settings: Settings, metrics: Metrics, clock: Clock) -> None:
        self._metrics, self._clock = metrics, clock
        # A source that pushes has no interval: its watermark goes on with our clock from its last frame on.
        self._every = {source.name: getattr(source, "every", 0) for source in settings.sources}
        self._heard: dict[str, int] = {}
        self._owner: dict[str, str] = {}
        self.statuses = {name: SourceStatus(name) for name in self._every}
        """What is known of each source, by name."""
        for name in self.statuses:
            for counter in (
                metrics.observations_received, metrics.observations_accepted, metrics.observations_duplicate,
                metrics.observations_revised, metrics.observations_late, metrics.ticks, metrics.missing_ticks,
                metrics.gaps,
            ):  # fmt: skip
                counter.inc(0, source=name)
            for reason in Rejection.ALL:
                metrics.observations_rejected.inc(0, source=name, reason=reason)

    def receive(self, frame: Frame, state: PipelineState) -> Frame:
        """Note that a source has answered; give its frame without series that belong to another source.

        Two lakes must not become one series.
        """
        self._heard[frame.source] = self._clock.now_us()
        if len(state.names) != len(self._owner):
            self._owner = {name: state.sources[at] for name, at in zip(state.names, state.source_of, strict=True)}
        names = frame.observations["series"].unique().to_list()
        foreign = sorted(name for name in names if self._owner.get(name, frame.source) != frame.source)
        if not foreign:
            return frame
        logger.error(
            "series of another source refused; give them other names (by, columns, series)",
            extra={"source": frame.source, "series": foreign[0], "belongs_to": self._owner[foreign[0]]},
        )
        return frame.without(foreign, Rejection.FOREIGN)

    def refuse(self, frame: Frame, why: str) -> None:
        """Count a frame that the journal did not take: a fault of the source's code."""
        self._metrics.source_fetch_failures.inc(source=frame.source)
        self._status(frame.source).refused += 1
        logger.error("frame refused", extra={"source": frame.source, "why": why})

    def count_commit(self, frame: Frame, committed: Committed) -> None:
        """Count the observations of a frame that was committed."""
        metrics, name, status = self._metrics, frame.source, self._status(frame.source)
        received, accepted = frame.observations.height, committed.series.size
        metrics.observations_received.inc(received, source=name)
        metrics.observations_accepted.inc(accepted, source=name)
        metrics.observations_duplicate.inc(committed.duplicates, source=name)
        metrics.observations_revised.inc(committed.revised, source=name)
        for reason, count in frame.rejected.items():
            metrics.observations_rejected.inc(count, source=name, reason=reason)
        status.received += received
        status.accepted += accepted
        status.rejected += sum(frame.rejected.values())
        if accepted:
            newest = int(committed.time_us.max())
            status.newest_us = newest if status.newest_us is None else max(newest, status.newest_us)
            metrics.source_last_observation.set(status.newest_us / MICROSECONDS, source=name)

    def count_result(self, result: Result) -> None:
        """Count the ticks that one batch closed, and its late observations."""
        for source, late in result.late.items():
            self._metrics.observations_late.inc(late, source=source)
            self._status(source).late += late
        for source, (ticks, missing, gaps) in result.ticks.items():
            self._metrics.ticks.inc(ticks, source=source)
            self._metrics.missing_ticks.inc(missing, source=source)
            self._metrics.gaps.inc(gaps, source=source)

    def watermarks(self, told: Mapping[str, int]) -> dict[str, int]:
        """Let the watermarks that the sources have `told` go on for those that are silent or removed."""
        now = self._clock.now_us()
        watermarks = dict(told)
        for name in watermarks:
            silent = now - self._heard.setdefault(name, now)
            if silent > SILENT_POLLS * self._every.get(name, 0):
                watermarks[name] += silent
        return watermarks

    def _status(self, source: str) -> SourceStatus:
        return self.statuses.setdefault(source, SourceStatus(source))
