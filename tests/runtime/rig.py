"""An engine on a real journal and a real inbox, for tests."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentinel.config import Settings
from sentinel.domain.errors import StateError
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import OBSERVATIONS, Frame
from sentinel.journal import Journal
from sentinel.notify import Delivery, Event, Notifier, Receiver
from sentinel.pipeline.codec import to_arrays
from sentinel.runtime.engine import Engine
from sentinel.runtime.inbox import Inbox
from tests.fixtures import ManualClock, digests_of, events_of, value
from tests.pipeline.streams import HOUR_US, ar1

BANK = {"half_life": "20 ticks", "level_half_life": "10 ticks", "warm_up_ticks": 60}
CHOSEN: dict[str, Any] = {
    "series": [{"match": "s0", "cadence": "1h"}, {"match": "*"}],
    "banks": {"default": BANK},
    "alarms": [{"threshold": 0.3, "alpha": 0.01, "at_start": "alarm"}],
    "daemon": {"digest_every_ticks": 10},
}
SOURCE = {"source": "buoys"}
VALUES = ar1(3, np.where(np.arange(400) % 150 < 100, 0.9, -0.5), 400, 3)


def frame(first: int, last: int, values: NDArray[np.float64] = VALUES, **more: Any) -> Frame:
    rows = [(f"s{s}", t * HOUR_US, float(values[t, s])) for t in range(first, last) for s in range(values.shape[1])]
    table = pl.DataFrame(rows, schema=OBSERVATIONS, orient="row")
    return Frame("buoys", table, {"at": last}, **({"rejected": {}} | more))


@contextmanager
def room_for(journal: Journal, pages: int) -> Iterator[None]:
    """SQLite's own limit: a real SQLITE_FULL once so many more pages are written."""
    connection = journal._database.connection
    (used,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {used + pages}")
    try:
        yield
    finally:
        connection.execute("PRAGMA max_page_count = 4294967294")


class Sink(Notifier):
    """A receiver that can be made to fail, some events in."""

    def __init__(self, name: str = "out") -> None:
        super().__init__(name)
        self.events: list[Event] = []
        self.broken = False
        self.fails_after: int | None = None
        self.refuses: Callable[[Event], bool] = lambda _: False

    def describe(self) -> str:
        return "a list"

    def send(self, batch: Sequence[Event], deadline: float) -> Delivery:
        for sent, event in enumerate(batch):
            if self.broken or (self.fails_after is not None and len(self.events) >= self.fails_after):
                return Delivery("retry", sent, "the receiver is down")
            if self.refuses(event):
                return Delivery("refused", sent, "the receiver does not want it")
            self.events.append(event)
        return Delivery("delivered", len(batch))

    @property
    def keys(self) -> list[str]:
        return [f"{event['id']}/{event['what']}" for event in self.events]


class Rig:
    """An engine on the journal of a folder."""

    def __init__(
        self, folder: Path, chosen: Mapping[str, Any] = CHOSEN, *, restored: bool = True, **sinks: Receiver
    ) -> None:
        self.clock = ManualClock(1_000 * HOUR_US)
        self.metrics = Metrics()
        self.inbox = Inbox(100_000)
        self.journal = Journal.open(folder)
        weakref.finalize(self, self.journal.close)
        settings = Settings.model_validate(chosen)
        self.engine = Engine(settings, self.journal, self.inbox, self.metrics, self.clock, sinks)
        if restored:
            self.engine.restore()

    def feed(self, *frames: Frame) -> None:
        for each in frames:
            self.inbox.put(each)
        while self.engine.turn(0.0):
            pass
        with suppress(StateError):  # a full disk; the next turn records what has been sent
            self.engine.outbox.flush(5.0)

    def count(self, name: str, **labels: str) -> float:
        return value(self.metrics, f"sentinel_{name}", **labels)

    @property
    def state(self) -> tuple[dict[str, bytes], dict[str, Any]]:
        """Everything, bitwise, rows and all."""
        arrays, header = to_arrays(self.engine._replica.state)
        return {name: array.tobytes() for name, array in arrays.items()}, header

    @property
    def record(self) -> tuple[object, ...]:
        """What the journal has kept of it."""
        return events_of(self.journal), digests_of(self.journal), self.journal.cursors(), self.journal.series()
