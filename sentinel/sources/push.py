"""Source `push`: observations that are sent to the daemon's own HTTP server; its routes are in `views/web/pushing.py`.

Whoever sends is answered only when what he sent is on disk. So he may send again what was not answered: an observation
that is known already is counted as a duplicate and changes nothing.
"""

from __future__ import annotations

import hmac
from threading import Condition, Lock
from time import monotonic
from typing import TYPE_CHECKING

from sentinel.config import PushSource as PushSettings
from sentinel.domain.clock import Clock
from sentinel.sources.base import HandOver, PushSource, SourceError
from sentinel.sources.labels import Names, labeller
from sentinel.sources.needs import read_secret, say_what_lacks

if TYPE_CHECKING:
    from sentinel.domain.observation import Cursor
    from sentinel.sources.rows import Rows

BUSY_SECONDS = 1.0
"""So long a sender waits for his turn; then he is told to come again."""
COMMIT_SECONDS = 20.0
"""So long a sender waits for the disk; then he is told to send it again."""


class BusyError(SourceError):
    """The daemon cannot take more at present, or does not know yet whether what was sent is on disk."""


class Push(PushSource):
    """Takes in what the routes have read."""

    def __init__(self, settings: PushSettings, clock: Clock) -> None:
        super().__init__(settings.name, settings.id)
        self.settings, self.clock = settings, clock
        self.names = Names(settings.series_name, keep=settings.keep_labels)
        """Names of the series that come with labels."""
        self._labelled = labeller(settings.labels)
        self._turn = Lock()
        self._committed = Condition()
        self._hand_over: HandOver | None = None
        self._sent = self._acknowledged = 0
        self._newest_us: int | None = None

    def describe(self) -> str:
        """Say where observations are sent, and who may."""
        may = "whoever has the token" if self.settings.token_file else "whoever is on this machine"
        return f"observations sent to the daemon's own address (section web), by {may}"

    def remarks(self) -> tuple[str, ...]:
        """Say which package or secret is not there."""
        return tuple(say_what_lacks("cramjam", "push", token_file=self.settings.token_file))

    def start(self, cursor: Cursor | None, hand_over: HandOver) -> None:
        """Take requests from now on."""
        read_secret(self.settings.token_file, "token_file")  # SourceError now, not at the first request
        known = cursor or {}
        number, newest = known.get("number", 0), known.get("newest_us")
        assert isinstance(number, int)
        self._sent = self._acknowledged = number
        self._newest_us = newest if isinstance(newest, int) else None
        self._hand_over = hand_over

    def acknowledge(self, cursor: Cursor) -> None:
        """Let those go who wait for this frame or an earlier one."""
        with self._committed:
            number = cursor["number"]
            assert isinstance(number, int)
            self._acknowledged = max(self._acknowledged, number)
            self._committed.notify_all()

    def close(self) -> None:
        """Take nothing more."""
        self._hand_over = None
        with self._committed:
            self._committed.notify_all()

    def _is_open(self) -> bool:
        return self._hand_over is not None

    def allows(self, token: str) -> bool:
        """Say whether a sender with this token may send; SourceError where the file with the token cannot be read."""
        secret = read_secret(self.settings.token_file, "token_file")
        return secret is None or hmac.compare_digest(secret.encode(), token.encode())

    def new_rows(self) -> Rows:
        """Make room for what one request says."""
        from sentinel.sources.rows import Rows

        return Rows(self.clock.now_us(), prefix=self.settings.prefix, labelled=self._labelled)

    def take(self, rows: Rows) -> None:
        """Hand over what one request said and wait until it is on disk.

        BusyError: it is not known to be on disk; the sender sends it again.
        """
        if not rows and not rows.rejected:
            return
        if not self._turn.acquire(timeout=BUSY_SECONDS):
            raise BusyError("more comes than can be taken in; send it again later")
        try:
            if self._hand_over is None:
                raise BusyError("not started yet, or stopping; send it again later")
            number = self._sent + 1
            newest_us = rows.newest_us
            if newest_us is not None and (self._newest_us is None or newest_us > self._newest_us):
                # The clock of what is pushed: a backlog that comes later than it was measured is not behind by that.
                self._newest_us = min(newest_us, self.clock.now_us())
            cursor = {"number": number, "newest_us": self._newest_us}
            frame = rows.frame(self.id, cursor, self._newest_us)
            if not self._hand_over(frame):
                raise BusyError("stopping; send it again later")
            self._sent = number
        finally:
            self._turn.release()
        until = monotonic() + COMMIT_SECONDS
        with self._committed:
            while self._acknowledged < number:
                if not self._is_open() or not self._committed.wait(max(0.0, until - monotonic())):
                    raise BusyError("not known to be on disk yet; send it again")
