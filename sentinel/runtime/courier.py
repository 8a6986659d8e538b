"""A courier: takes what is owed to one receiver there, a batch at a time, and says what became of it.

Each batch is sent in a thread of its own, so that a receiver which hangs holds up neither the engine nor another one.
One that fails is tried again ever more rarely.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Thread
from time import monotonic
from typing import Any, NamedTuple

from sentinel.notify import Delivery

logger = logging.getLogger(__name__)

FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 1.0, 60.0
DEADLINE_SECONDS = 10.0
"""Time that a receiver has for a batch."""
GRACE_SECONDS = 5.0
"""A receiver that has not answered so long after its deadline is said to hang."""


class Owed(NamedTuple):
    """A batch on its way: what is sent, and by which keys the journal knows it."""

    keys: Sequence[str]
    items: Sequence[Any]
    again: bool = False
    """It was told before, and is not owed."""


class Courier:
    """Sends to one receiver. Belongs to the engine's thread.

    `send` sends items until a deadline, as `Notifier.send` does; `count_failure` is called for each try that failed.
    """

    def __init__(
        self, sink: str, send: Callable[[Sequence[Any], float], Delivery], count_failure: Callable[[], None]
    ) -> None:
        self.sink, self._send, self._count_failure = sink, send, count_failure
        self._sending: Owed | None = None
        self._deadline = 0.0
        self._answer: Future[Delivery] = Future()
        self._hangs = False
        self._due = self._wait = 0.0
        self.failure = ""
        """Reason why the last try failed; empty if it did not."""

    @property
    def is_free(self) -> bool:
        """True if a batch may be handed over."""
        return self._sending is None and monotonic() >= self._due

    @property
    def is_sending(self) -> bool:
        """True if a batch is on its way without an answer."""
        return self._sending is not None and not self._answer.done()

    @property
    def awaited(self) -> Future[Delivery] | None:
        """Done when the batch on its way has ended; None where nothing is on its way, or where it failed before."""
        return None if self._sending is None or self.failure else self._answer

    def hand(self, owed: Owed) -> None:
        """Begin to send a batch; only while the courier is free."""
        self._sending, self._hangs = owed, False
        self._deadline, self._answer = monotonic() + DEADLINE_SECONDS, Future()
        run = Thread(target=self._carry, args=(owed, self._deadline, self._answer), daemon=True)
        run.name = f"notify {self.sink}"
        run.start()

    def _carry(self, owed: Owed, deadline: float, answer: Future[Delivery]) -> None:
        try:
            delivery = self._send(owed.items, deadline)
            sent, count = delivery.sent, len(owed.keys)
            if not (sent == count if delivery.outcome == "delivered" else 0 <= sent < count):
                delivery = Delivery("retry", 0, f"{delivery.outcome} with {sent} of {count} events sent")
        except BaseException as error:  # noqa: BLE001 - whatever went wrong, the engine hears of it and tries again
            delivery = Delivery("retry", 0, f"{type(error).__name__}: {error}")
        answer.set_result(delivery)

    def hear(self, record: Callable[[Owed, Delivery], None]) -> None:
        """Let what became of a batch be recorded, then forget it; or say once that its receiver hangs.

        What `record` raises is raised, and the same is done by a later call.
        """
        if self._sending is None:
            return
        if self._answer.done():
            owed, delivery = self._sending, self._answer.result()
            record(owed, delivery)
            self._sending = None
            self._note(owed, delivery)
        elif not self._hangs and monotonic() > self._deadline + GRACE_SECONDS:
            self._hangs = True
            self._count_failure()
            self._warn("no answer long after its deadline; what is owed to it waits")

    def _note(self, owed: Owed, delivery: Delivery) -> None:
        outcome, sent, reason = delivery
        if outcome != "delivered":
            self._count_failure()
        if outcome == "retry":
            self._wait = min(2.0 * self._wait, LAST_RETRY_SECONDS) or FIRST_RETRY_SECONDS
            self._due = monotonic() + self._wait
            self._warn(reason)
            return
        self._wait, self.failure = 0.0, ""  # whoever refuses something has answered, too
        if outcome == "refused":
            extra = {"sink": self.sink, "event": owed.keys[sent], "why": reason}
            logger.error("notification refused; it is not sent again", extra=extra)

    def _warn(self, why: str) -> None:
        if why != self.failure:
            logger.warning("notification not delivered", extra={"sink": self.sink, "why": why})
            self.failure = why
