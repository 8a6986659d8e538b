"""Source `http`: a table at an HTTP address, CSV or JSON, asked for what is new.

Where the address takes a stretch of time (`range`), the history is read in stretches and then what is new; where it
does not, the whole table comes each time, and what has been read of it is left out. The work is in `polling.py`, which
is imported at the first fetch: `sentinel check` does not wait for polars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sentinel.config import HttpSource
from sentinel.config.secrets import hide_query
from sentinel.domain.clock import Clock
from sentinel.domain.spans import print_duration
from sentinel.sources.base import PullSource
from sentinel.sources.needs import say_what_lacks

if TYPE_CHECKING:
    from sentinel.domain.observation import Cursor, Frame
    from sentinel.sources.polling import Poller


class Endpoint(PullSource):
    """Polls an address."""

    def __init__(self, settings: HttpSource, clock: Clock) -> None:
        super().__init__(settings.name, settings.every, settings.id)
        self._settings, self._clock = settings, clock
        self._poller: Poller | None = None

    def describe(self) -> str:
        """Say what is asked of whom, and how often."""
        settings = self._settings
        asked = f"?{settings.query}" if settings.query else ""
        since = f", history of {print_duration(settings.since)}" if settings.since else ""
        form = f"{settings.preset}, " if settings.preset != "none" else ""
        return f"{hide_query(settings.url)}{asked}, {form}asked every {print_duration(settings.every)}{since}"

    def remarks(self) -> tuple[str, ...]:
        """Say which secret is not there."""
        settings = self._settings
        return tuple(say_what_lacks(None, "", password_file=settings.password_file, token_file=settings.token_file))

    def fetch(self, cursor: Cursor | None) -> Frame:
        """Ask for what is new since `cursor`; see `PullSource.fetch`."""
        if self._poller is None:
            from sentinel.sources.polling import Poller

            self._poller = Poller(self._settings, self._clock)
        return self._poller.fetch(cursor)
