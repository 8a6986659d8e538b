"""Readings on their way to time series databases, kept in the journal until a receiver has taken them.

The engine hands over each block as it is and waits for nobody. What a receiver has not taken is sent again, and nothing
behind it before, so that no point is ever sent after a later one of its series. Where too many wait, the oldest go,
counted. A crash loses none: those of the last moment follow from the journal once more.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from time import monotonic

import numpy as np

from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.labels import exposed, fits
from sentinel.domain.metrics import Metrics
from sentinel.domain.states import STATES
from sentinel.journal.readings import Block, OwedReadings
from sentinel.notify import Delivery, Points, RemoteWriter
from sentinel.pipeline.cohort import CohortState, SteppedBlock
from sentinel.pipeline.grid import ABSENT, Grid
from sentinel.pipeline.pipeline import CohortKey, PipelineState
from sentinel.runtime.courier import Courier, Owed
from sentinel.views.prometheus import STATE_CODES

logger = logging.getLogger(__name__)

MOST_TOGETHER = 20_000
"""Points in one message, or those of one block where these are more."""
MOST_BLOCKS = 500
"""Blocks in one message."""
_CODES = np.array([STATE_CODES[state] for state in STATES], np.float64)


class Readings:
    """Takes what the engine has computed, and hands it to every receiver. Belongs to the engine's thread."""

    def __init__(self, owed: OwedReadings, metrics: Metrics) -> None:
        self._owed, self._metrics = owed, metrics
        self._lines: dict[str, _Line] = {}
        self._gathered: list[tuple[str, Block]] = []
        """Blocks that followed from the last batch, each for a receiver."""

    def use(self, writers: Iterable[RemoteWriter]) -> None:
        """Send to these receivers, and to no others."""
        kept = self._owed.kept()
        self._lines = {each.name: _Line(each, self._owed, self._metrics, kept.get(each.name)) for each in writers}

    @property
    def sinks(self) -> list[str]:
        """Names of the receivers."""
        return list(self._lines)

    @property
    def couriers(self) -> list[Courier]:
        """Those who send."""
        return [line.courier for line in self._lines.values()]

    def begin(self) -> None:
        """Let receivers that are new be owed what follows from the next batches."""
        new = [sink for sink, line in self._lines.items() if line.kept_until is None]
        if new:
            self._owed.join(new)
            kept = self._owed.kept()
            for sink in new:
                self._lines[sink].kept_until = kept[sink]

    def deliver(self) -> None:
        """Record what has been sent and begin to send what is owed; raises what the journal raises."""
        for line in self._lines.values():
            line.deliver()

    def observe(self, state: PipelineState, key: CohortKey, members: CohortState, ticks: SteppedBlock) -> None:
        """Take a block, as an observer of the pipeline."""
        lines = [line for line in self._lines.values() if line.kept_until is not None]
        if not lines:
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
        table = np.where(there, np.stack(list(numbers.values())), np.nan).transpose(2, 0, 1)  # series, number, tick
        for sink, line in self._lines.items():
            mine = [s for s, name in enumerate(names) if line.kept_until is not None and line.wants(name)]
            at, number, tick = np.nonzero(np.isfinite(table[mine]))
            if at.size:
                about = {"series": [(names[s], sources[s]) for s in mine], "numbers": list(numbers)}
                own = np.array(mine)[at]
                rows = end_ms[tick, own], at * len(numbers) + number, table[own, number, tick]
                self._gathered.append((sink, Block.of(json.dumps(about), rows)))

    def keep(self, batch: int) -> None:
        """Put what followed from a batch into the journal, once; raises what the journal raises, and may be repeated.

        After a crash the same follows again from batches of which it is there already.
        """
        new = [
            (sink, block) for sink, block in self._gathered
            if batch > (self._lines[sink].kept_until or 0)
        ]  # fmt: skip
        if new:
            self._owed.keep(batch, new)
        self._gathered.clear()
        for sink, block in new:
            line = self._lines[sink]
            line.kept_until = batch
            line.waiting += block.points
        for line in {sink: self._lines[sink] for sink, _ in new}.values():
            line.drop_oldest()


class _Line:
    """Readings that wait for one receiver, and their sender."""

    def __init__(self, writer: RemoteWriter, owed: OwedReadings, metrics: Metrics, kept_until: int | None) -> None:
        self._writer, self._owed, self._metrics = writer, owed, metrics
        self.kept_until = kept_until
        """The batch up to which readings were kept for it; None = it is new, and owed nothing yet."""
        self.waiting = owed.waiting(writer.name)
        self._on_its_way: tuple[list[int], int] = [], 0
        """Numbers of the blocks that the courier has, and their points."""
        self.wants = lru_cache(maxsize=1 << 17)(lambda name: fits(name, writer.settings.match))
        self.courier = Courier(writer.name, self._send, partial(metrics.notification_failures.inc, sink=writer.name))
        metrics.readings_sent.inc(0, sink=writer.name)
        metrics.notification_failures.inc(0, sink=writer.name)
        for reason in ("full", "refused", "damaged"):
            metrics.readings_dropped.inc(0, sink=writer.name, reason=reason)
        self._show()

    def _show(self) -> None:
        self._metrics.readings_waiting.set(self.waiting, sink=self._writer.name)

    def deliver(self) -> None:
        """Record what was sent, and begin to send what is owed."""
        self.courier.hear(self._record)
        if self.courier.is_free and self.waiting:
            self._hand()
        self._show()

    def _hand(self) -> None:
        """Give the courier a message of the oldest blocks; it is small, as whoever encodes it may have little time."""
        numbers, size = list[int](), 0
        for number, points in self._owed.oldest(self._writer.name, 0, MOST_BLOCKS):
            numbers.append(number)
            size += points
            if size >= MOST_TOGETHER:
                break
        self._on_its_way = numbers, size
        self.courier.hand(Owed([f"readings {numbers[0]}"], self._owed.read(self._writer.name, numbers[0], numbers[-1])))

    def _record(self, _: Owed, delivery: Delivery) -> None:
        numbers, size = self._on_its_way
        if delivery.outcome != "retry":
            self._owed.remove(numbers)
            self.waiting -= size
        if delivery.outcome == "delivered":
            self._metrics.readings_sent.inc(size, sink=self._writer.name)
        if delivery.outcome == "refused":
            self._metrics.readings_dropped.inc(size, sink=self._writer.name, reason="refused")
        self._on_its_way = [], 0

    def drop_oldest(self) -> None:
        """Drop the oldest blocks, of those that are not on their way, where too many points wait; the last one stays.

        Raises what the journal raises; the same is done by a later call.
        """
        most, after = self._writer.settings.queue_points, max(self._on_its_way[0], default=0)
        while self.waiting > most:
            going, dropped = [], 0
            for number, points in self._owed.oldest(self._writer.name, after, MOST_BLOCKS)[:-1]:
                if self.waiting - dropped <= most:
                    break
                going.append(number)
                dropped += points
            if not going:
                break
            self._owed.remove(going)
            self.waiting -= dropped
            self._metrics.readings_dropped.inc(dropped, sink=self._writer.name, reason="full")
        self._show()

    def _send(self, blocks: Sequence[Block], deadline: float) -> Delivery:
        """Send one message; in a thread of the courier's."""
        series = [points for block in blocks for points in self._points(block)]
        # On a machine that is busy the deadline may be over by now: nothing would ever be sent there.
        answer = self._writer.send(series, max(deadline, monotonic() + self._writer.settings.timeout / MICROSECONDS))
        return Delivery(answer.outcome, int(answer.outcome == "delivered"), answer.reason)

    def _points(self, block: Block) -> Iterator[Points]:
        """Give the points of a block by series of the database."""
        own, about, rows = self._writer.settings.labels, json.loads(block.about), block.rows()
        if rows is None:
            self._metrics.readings_dropped.inc(block.points, sink=self._writer.name, reason="damaged")
            return
        time_ms, column, value = rows
        known = [
            {**own, "source": source, "series": name, **exposed(name, self._writer.shown_labels)}
            for name, source in about["series"]
        ]
        begins = np.flatnonzero(np.diff(column, prepend=-1))
        for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), column.size], strict=True):
            at, number = divmod(int(column[begin]), len(about["numbers"]))
            metric, kind, label = about["numbers"][number]
            labels = {**known[at], "__name__": f"sentinel_series_{metric}", "detector": kind, "threshold": label}
            yield Points(labels, time_ms[begin:end].tolist(), value[begin:end].tolist())
