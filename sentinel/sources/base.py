"""What every source is: a name, and one method that says what is new since a cursor."""

from __future__ import annotations

from typing import Protocol

from sentinel.domain.errors import UpstreamError
from sentinel.domain.observation import Cursor, Frame


class SourceError(UpstreamError):
    """A source cannot be read now; the next fetch tries again from the same cursor."""


class Source(Protocol):
    """Something that is polled for observations. It keeps nothing of its progress: the cursor does."""

    @property
    def name(self) -> str:
        """Name in settings, metrics and messages."""
        ...

    def fetch(self, cursor: Cursor | None) -> Frame:
        """Read what is new since `cursor`; None = from the start.

        Raises
        ------
        SourceError
            It cannot be reached now.
        DataError
            It can, and what it says cannot be used.
        """
        ...
