"""The contract of a source: a class that is asked for observations (pull), or one that brings them by itself (push).

A source keeps nothing of its progress. The *cursor* does: the journal commits it together with the observations, and
gives it back at the next start. So after a crash exactly what was not committed comes again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.errors import UpstreamError

if TYPE_CHECKING:  # frames are polars tables, and `sentinel check` does not wait for polars
    from sentinel.domain.observation import Cursor, Frame

AHEAD_US = 60 * MICROSECONDS
"""Times further ahead of the clock than this say that a clock is wrong, here or there."""
HandOver: TypeAlias = "Callable[[Frame], bool]"
"""Takes one frame, waiting for room as long as needed; False = the daemon is stopping, and the frame was not taken."""


class SourceError(UpstreamError):
    """A source cannot be read now; the next try starts from the same cursor."""


class Source(ABC):
    """The part that all sources share. Made from its settings and a clock; ConfigError if these cannot work."""

    def __init__(self, name: str, id: str | None = None) -> None:
        self.name = name
        """Name in settings, metrics and messages."""
        self.id = id or name
        """Name under which its series and its cursor are kept; its frames carry it."""

    @abstractmethod
    def describe(self) -> str:
        """Say in one line what is read, from where, and how often."""

    def remarks(self) -> tuple[str, ...]:
        """Say what stands in the way at this moment, one line each, such as a file that is not there. No fault."""
        return ()

    def known_series(self) -> frozenset[str] | None:
        """Names that its series can have, if that is known without reading their rows; None = it is not."""
        return None

    def former_series(self) -> frozenset[str] | None:
        """Names of series that it can have or may have brought under an earlier prefix; None = not known."""
        return self.known_series()

    def present_series(self) -> frozenset[str]:
        """Names of series that are there now, as far as its first rows tell: of two sources none should be the same."""
        return self.known_series() or frozenset()

    def close(self) -> None:  # noqa: B027 - most sources hold nothing
        """Let go of connections and files. May be called more than once; nothing else is called after it."""


class PullSource(Source):
    """A source that is asked for what is new, every `every_us` microseconds."""

    def __init__(self, name: str, every_us: int, id: str | None = None) -> None:
        super().__init__(name, id)
        self.every_us = every_us

    @abstractmethod
    def fetch(self, cursor: Cursor | None) -> Frame:
        """Read what is new since `cursor`; None = from the start.

        Raises SourceError: it cannot be reached now; DataError: it can, and what it says cannot be used.
        """


class PushSource(Source):
    """A source to which observations come by themselves: a server, or a subscriber.

    Whoever sends to it keeps what it sent until it is acknowledged, and sends it again after a failure. The frames
    carry a watermark like those of any other source; a frame without observations can move it.
    """

    @abstractmethod
    def start(self, cursor: Cursor | None, hand_over: HandOver) -> None:
        """Begin to receive, in threads of its own, and return. Each frame goes to `hand_over`, in order.

        `cursor` is the last one committed, None = there is none. Raises SourceError if it cannot begin now; it is
        called again after a while.
        """

    def require_connection(self) -> None:
        """Raise SourceError while nothing can come, such as after a connection was lost; asked every second or so."""

    def listen(self, seconds: float) -> Frame | None:
        """Read what comes within so many seconds without a change for anybody else; None = it cannot be tried so."""
        del seconds
        return None

    @abstractmethod
    def acknowledge(self, cursor: Cursor) -> None:
        """The frame with this cursor, and all before it, are on disk or refused: the sender may forget them.

        Called in a thread that may wait; never before the journal's commit, and not for each frame. SourceError if the
        sender cannot be told; it is called again after a while.
        """
