"""Back-off after failures: ever longer waits, never all daemons at once, none after new secrets."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sentinel.sources.base import SourceError

LAST_WAIT_SECONDS = 600.0
REFUSED_SECONDS = 3_600.0
LONGEST_SECONDS = 3_600.0
"""Bound on what a server may ask for by Retry-After."""


class RefusedError(SourceError):
    """The server does not accept who asks: no second try helps until somebody changes something."""


class Backoff:
    """Remembers the failures of one server. `interval` is how often it is asked while all is well, in seconds."""

    def __init__(
        self, interval: float, watch: Callable[[], float] = time.monotonic, chance: Callable[[], float] = random.random
    ) -> None:
        self._interval, self._watch, self._chance = interval, watch, chance
        self._failures = 0
        self._until = 0.0
        self._why: SourceError | None = None
        self._secrets: object = None

    def require(self, secrets: object = None) -> None:
        """Raise the last failure again while it is too early to ask; after a refusal new `secrets` end the wait."""
        if self._why is None or self._watch() >= self._until:
            return
        if isinstance(self._why, RefusedError) and secrets != self._secrets:
            return
        raise type(self._why)(str(self._why))

    def note_failure(self, error: SourceError, secrets: object = None, retry_after: float | None = None) -> None:
        """Note that it did not work, and what the server said about when to come again, in seconds."""
        # Without its traceback, which would keep the sockets of the failure.
        self._why, self._secrets = type(error)(str(error)), secrets
        wait = min(self._interval * 2.0**self._failures, max(LAST_WAIT_SECONDS, self._interval))
        wait *= 0.5 + 0.5 * self._chance()  # those that failed together do not come back together
        if isinstance(error, RefusedError):
            wait = REFUSED_SECONDS
        if retry_after is not None:
            wait = max(wait, min(retry_after, LONGEST_SECONDS))
        self._failures = min(self._failures + 1, 30)
        self._until = self._watch() + wait

    def note_success(self) -> None:
        """Forget the failures."""
        self._failures, self._why = 0, None

    @contextmanager
    def attempt(self, secrets: object, close: Callable[[], None]) -> Iterator[None]:
        """Note how the block goes, and `close` where it fails; SourceError, without trying, while it is too early."""
        self.require(secrets)
        try:
            yield
        except SourceError as error:
            self.note_failure(error, secrets)
            close()
            raise
        self.note_success()
