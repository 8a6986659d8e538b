"""The inbox: a queue of frames from many fetching threads to the one engine, bounded by the observations in it.

A full inbox makes the producers wait, so that a source is read no faster than the engine works: memory stays bounded,
and what waits is still safe at its source.
"""

from __future__ import annotations

from collections import deque
from threading import Condition

from sentinel.domain.observation import Frame


class Inbox:
    """Bounded queue of frames: many producers, one consumer, in the order of arrival."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"inbox: capacity {capacity}; at least 1 observation is needed")
        self._capacity = capacity
        self._frames: deque[Frame] = deque()
        self._observations = 0
        self._closed = False
        self._changed = Condition()

    @property
    def capacity(self) -> int:
        """Observations that fit; one single frame may hold more."""
        return self._capacity

    @property
    def closed(self) -> bool:
        """Whether nothing is accepted any more."""
        return self._closed

    def __len__(self) -> int:
        """Observations that wait."""
        return self._observations

    def put(self, frame: Frame, timeout: float | None = None) -> bool:
        """Append a frame, waiting until there is room for it.

        A frame larger than the whole inbox is let in when no observation waits; a frame without observations always.

        Returns
        -------
        Whether it was taken; not if the inbox was closed or `timeout` seconds went by.
        """
        size = frame.observations.height
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room(size), timeout)
            if self._closed or not self._has_room(size):
                return False
            self._frames.append(frame)
            self._observations += size
            self._changed.notify_all()
            return True

    def take_all(self, timeout: float | None = None) -> list[Frame]:
        """Take all frames that wait, oldest first.

        Waits up to `timeout` seconds for a first one (None = for ever); returns none if there was none, or if the
        inbox was closed and is empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._frames), timeout)
            frames = list(self._frames)
            self._frames.clear()
            self._observations = 0
            self._changed.notify_all()
            return frames

    def close(self) -> None:
        """Accept nothing more and wake everybody; frames that wait can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        return not size or not self._observations or self._observations + size <= self._capacity
