"""Judges alarms anew, in a thread of its own, after values were corrected; what it finds is published by the engine.

It reads the journal beside the engine and writes nothing itself. The engine journals the verdicts as a fact between two
frames, so that a restart finds them and does not compute them again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any

from sentinel.domain.acting import AMENDED
from sentinel.domain.errors import SentinelError
from sentinel.journal import Journal, KeptEvent
from sentinel.runtime.amending import CONFIRMED, amend

logger = logging.getLogger(__name__)

PATIENCE = 10.0
"""It rests for this many times as long as it has worked: a long journal is replayed rarely."""


class Amender:
    """Looks whether corrections have come, and judges what was sent by them.

    `publish` is given the fact that is to be journalled.
    """

    def __init__(self, folder: Path, publish: Callable[[Mapping[str, Any]], None]) -> None:
        self._folder, self._publish = folder, publish
        self._thread: Thread | None = None
        self._done, self._rests_until = -1, 0.0

    def look(self, corrected: int, amended: int) -> None:
        """Start judging if a batch up to `corrected` has corrections and verdicts are known up to `amended` only."""
        is_running = self._thread is not None and self._thread.is_alive()
        if corrected > max(amended, self._done) and not is_running and monotonic() >= self._rests_until:
            self._thread = Thread(target=self._run, args=(corrected,), name="amend", daemon=True)
            self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for what is running, at most so long."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self, corrected: int) -> None:
        began = monotonic()
        try:
            with Journal.open(self._folder, read_only=True) as journal:
                verdicts = find_new(journal)
            self._publish({"action": AMENDED, "until": corrected, "verdicts": verdicts})
        except SentinelError as error:
            logger.warning("corrected values are kept, and alarms cannot be judged by them", extra={"why": str(error)})
        self._done = corrected  # also where it cannot be done: the next correction may be younger
        self._rests_until = monotonic() + PATIENCE * (monotonic() - began)


def find_new(journal: Journal) -> list[dict[str, Any]]:
    """Find the verdicts that differ from what has been published of each alarm; until then an alarm stands."""
    known = _published(journal.events())
    found = ((one, known.get(one.body["alarm_id"], CONFIRMED)) for one in amend(journal))
    return [
        {**{key: one.body[key] for key in ("alarm_id", "series", "rule", "label", "severity")},
         "alarm_us": one.body["time_us"], "verdict": one.verdict}
        for one, before in found if one.verdict != before
    ]  # fmt: skip


def _published(events: Iterable[KeptEvent]) -> dict[str, str]:
    return {kept.body["alarm_id"]: kept.body["verdict"] for kept in events if kept.body["what"] == AMENDED}
