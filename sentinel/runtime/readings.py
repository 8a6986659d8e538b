"""Readings on their way to time series databases: a bounded queue and a thread for each.

The engine hands over each block as it is and waits for nobody. What a receiver has not taken is sent again, and nothing
behind it before, so that no point is ever sent after a later one of its series. Where the queue is full the oldest go,
counted. The queue is in memory: what waits when the daemon is killed is not sent.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from threading import Condition, Thread
from time import monotonic
from typing import NamedTuple

import numpy as np

from sentinel.config import RemoteWriteNotify
from sentinel.domain.labels import exposed, fits
from sentinel.domain.metrics import Metrics
from sentinel.domain.states import STATES
from sentinel.notify import Points, RemoteWriter
from sentinel.notify.http import Answer
from sentinel.pipeline.arrays import Floats, Ints
from sentinel.pipeline.cohort import CohortState, SteppedBlock
from sentinel.pipeline.grid import ABSENT, Grid
from sentinel.pipeline.pipeline import CohortKey, PipelineState
from sentinel.views.prometheus import STATE_CODES

logger = logging.getLogger(__name__)

MOST_TOGETHER = 20_000
"""Points in one message, or those of one block where these are more."""
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 1.0, 60.0
DEADLINE_SECONDS = 10.0
_CODES = np.array([STATE_CODES[state] for state in STATES], np.float64)


class _Block(NamedTuple):
    """Readings of one block of ticks, of the series that are sent; arrays (tick, series)."""

    names: Sequence[str]
    sources: Sequence[str]
    end_ms: Ints
    numbers: Mapping[tuple[str, str, str], Floats]
    """By metric, and kind and label of the rule, empty where it is of none; NaN is not sent."""
    size: int


class Readings:
    """Takes what the engine has computed, once it is started, and hands it to every receiver."""

    def __init__(self, writers: Iterable[RemoteWriteNotify], metrics: Metrics, shown_labels: Sequence[str]) -> None:
        self._queues = [_Queue(RemoteWriter(settings), metrics, shown_labels) for settings in writers]
        self._started = False

    def start(self) -> None:
        """Take what comes from now on; what was replayed before has been sent."""
        self._started = True
        for queue in self._queues:
            queue.start()

    def close(self, seconds: float) -> None:
        """Send what waits for at most so long; the rest is dropped."""
        until = monotonic() + seconds
        for queue in self._queues:
            queue.close(max(0.0, until - monotonic()))

    def observe(self, state: PipelineState, key: CohortKey, members: CohortState, ticks: SteppedBlock) -> None:
        """Take a block, as an observer of the pipeline."""
        if not self._started:
            return
        block, plan = ticks.block, key[0]
        series = members.series[block.rows]
        names = [state.names[i] for i in series.tolist()]
        sources = [state.sources[at] for at in state.source_of[series].tolist()]
        grid = Grid(plan.cadence_us, plan.months)
        end_ms = grid.start_us(members.grid.origin_us[block.rows], block.tick + 1) // 1_000
        there, estimates = block.kind != ABSENT, ticks.scored.estimates
        numbers = {
            ("value", "", ""): block.value, ("state_code", "", ""): _CODES[ticks.states.state],
            ("lag1_autocorrelation", "", ""): estimates.lag1,
            ("lag1_autocorrelation_low", "", ""): estimates.lag1_low,
            ("lag1_autocorrelation_high", "", ""): estimates.lag1_high,
        }  # fmt: skip
        for k, rule in enumerate(plan.rules):
            numbers["evidence", rule.kind, rule.label] = ticks.scored.evidence.evidence[:, :, k]
        for queue in self._queues:
            mine = np.array([s for s, name in enumerate(names) if queue.wants(name)], np.int64)
            if mine.size:
                chosen = {of: np.where(there, array, np.nan)[:, mine] for of, array in numbers.items()}
                size = sum(int(np.isfinite(array).sum()) for array in chosen.values())
                of_mine = [names[s] for s in mine.tolist()], [sources[s] for s in mine.tolist()]
                queue.put(_Block(*of_mine, end_ms[:, mine], chosen, size))


class _Queue:
    """Readings that wait for one receiver, and the thread that sends them."""

    def __init__(self, writer: RemoteWriter, metrics: Metrics, shown_labels: Sequence[str]) -> None:
        self._writer, self._metrics, self._shown = writer, metrics, shown_labels
        self._blocks: deque[_Block] = deque()
        self._waiting = 0
        self._changed = Condition()
        self._ends_at: float | None = None
        self._failure = ""
        self.wants = lru_cache(maxsize=1 << 17)(lambda name: fits(name, writer.settings.match))
        self._thread = Thread(target=self._run, name=f"readings {writer.name}", daemon=True)
        metrics.readings_sent.inc(0, sink=writer.name)
        for reason in ("full", "refused", "stopped"):
            metrics.readings_dropped.inc(0, sink=writer.name, reason=reason)
        metrics.readings_waiting.set(0, sink=writer.name)

    def start(self) -> None:
        self._thread.start()

    def close(self, seconds: float) -> None:
        with self._changed:
            self._ends_at = monotonic() + seconds
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(seconds + 0.2)
        with self._changed:
            self._drop(self._waiting, "stopped")

    def put(self, block: _Block) -> None:
        """Let a block wait; where too many points do, the oldest blocks go."""
        with self._changed:
            self._blocks.append(block)
            self._waiting += block.size
            while self._waiting > self._writer.settings.queue_points and len(self._blocks) > 1:
                self._drop(self._blocks.popleft().size, "full")
            self._metrics.readings_waiting.set(self._waiting, sink=self._writer.name)
            self._changed.notify_all()

    def _drop(self, points: int, reason: str) -> None:
        self._waiting -= points
        self._metrics.readings_waiting.set(self._waiting, sink=self._writer.name)
        self._metrics.readings_dropped.inc(points, sink=self._writer.name, reason=reason)

    def _take(self) -> list[_Block]:
        """Wait for blocks and take some from the queue; none where it is empty and ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._blocks or self._ends_at is not None)
            found: list[_Block] = []
            while self._blocks and sum(block.size for block in found) < MOST_TOGETHER:
                found.append(self._blocks.popleft())
            return found

    def _run(self) -> None:
        while blocks := self._take():
            size = sum(block.size for block in blocks)
            answer = self._send([points for block in blocks for points in self._points(block)])
            if answer.outcome == "retry":  # it ends, and what was on its way is dropped with what waits
                return
            with self._changed:
                if answer.outcome == "refused":
                    logger.error("readings refused", extra={"sink": self._writer.name, "why": answer.reason})
                    self._drop(size, "refused")
                    continue
                self._waiting -= size
                self._metrics.readings_waiting.set(self._waiting, sink=self._writer.name)
                self._metrics.readings_sent.inc(size, sink=self._writer.name)

    def _send(self, points: Sequence[Points]) -> Answer:
        """Send until they are taken or refused, ever more rarely, or until the end."""
        wait = FIRST_RETRY_SECONDS
        while True:
            deadline = monotonic() + DEADLINE_SECONDS
            answer = self._writer.send(points, min(deadline, self._ends_at or deadline))
            if answer.outcome != "retry":
                self._failure = ""
                return answer
            if answer.reason != self._failure:
                logger.warning("readings not sent", extra={"sink": self._writer.name, "why": answer.reason})
                self._failure = answer.reason
            with self._changed:
                ends = self._changed.wait_for(lambda: self._ends_at is not None, wait)
            if ends:
                return answer
            wait = min(2.0 * wait, LAST_RETRY_SECONDS)

    def _points(self, block: _Block) -> Iterator[Points]:
        """Give the points of a block by series of the database."""
        own = self._writer.settings.labels
        for s, (name, source) in enumerate(zip(block.names, block.sources, strict=True)):
            known = {**own, "source": source, "series": name, **exposed(name, self._shown)}
            for (metric, kind, label), array in block.numbers.items():
                at = np.flatnonzero(np.isfinite(array[:, s]))
                if at.size:
                    labels = {**known, "__name__": f"sentinel_series_{metric}", "detector": kind, "threshold": label}
                    yield Points(labels, block.end_ms[at, s].tolist(), array[at, s].tolist())
