"""Fair timing: ours and the peer take turns in one run, and what counts is the ratio within each turn.

On a machine that does other things too, seconds drift; two measurements made one after the other drift together.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

Action = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Spread:
    """What the repeats gave."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Median and range."""
        return cls(statistics.median(values), min(values), max(values))

    def scaled(self, factor: float) -> Spread:
        """In another unit."""
        return Spread(self.median * factor, self.lowest * factor, self.highest * factor)


@dataclass(frozen=True, slots=True)
class Turns:
    """Seconds of ours and of the peer, turn by turn."""

    ours: list[float]
    peer: list[float]

    def ratio(self, work: float = 1.0) -> Spread:
        """How many times as fast as the peer; `work` is our amount of work over the peer's."""
        return Spread.of([work * peer / ours for ours, peer in zip(self.ours, self.peer, strict=True)])


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    ours: str
    peer: str
    figure: Spread
    unit: str = "x"
    """Of the figure and of what is required of it; x = times as fast as the peer."""
    required: float | None = None
    at_most: bool = False
    """The required figure is an upper bound."""

    @property
    def met(self) -> bool | None:
        """Whether the median is what is required; None if nothing is."""
        if self.required is None:
            return None
        return self.figure.median <= self.required if self.at_most else self.figure.median >= self.required


def seconds(action: Action) -> float:
    """Wall time of one call."""
    start = perf_counter()
    action()
    return perf_counter() - start


def turns(ours: Action, peer: Action, repeats: int) -> Turns:
    """Ours, peer, ours, peer, ... after one unmeasured call of each, which compiles and touches the memory."""
    ours(), peer()
    measured = [(seconds(ours), seconds(peer)) for _ in range(repeats)]
    return Turns([a for a, _ in measured], [b for _, b in measured])


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended well."""

    wall: float
    """Seconds from its start to its end."""
    cpu: float
    """Seconds of processor time, of all its threads."""
    peak: int
    """Largest resident memory, bytes."""


def process(command: Sequence[str]) -> Ended:
    """Run a command to its end; `CalledProcessError` if it fails (what it says goes to standard error).

    Modules are compiled once and kept, as those of an installed package are.
    """
    starter = [sys.executable, str(Path(__file__).parent / "child.py")]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([*starter, *command], check=True, stdout=subprocess.PIPE, text=True, env=kept)
    return Ended(**json.loads(done.stdout))


def duration(value: float) -> str:
    """Seconds in a readable unit."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if value * factor >= 1.0:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"
