"""One line of the table: what was measured, the bar, and whether it is met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from tests.studies.trust.effort import Effort, generator
from tests.studies.trust.interval import Figure


@dataclass(frozen=True, slots=True)
class Row:
    """What was found."""

    scenario: str
    what: str
    """What was counted, at which threshold and alpha."""
    figure: Figure
    bar: float | None
    """None where nothing is demanded: the figure is documented."""
    at_most: bool = True
    """The bar is an upper one."""
    budget: float | None = None
    """What the stated budget allows, in the same unit; None where no budget is spent."""
    judged: float | None = None
    """Share of the ticks that got a verdict: the silence of a blind series is no merit."""

    @property
    def met(self) -> bool:
        """The whole interval is on the right side of the bar."""
        return self.bar is None or (self.figure.high <= self.bar if self.at_most else self.figure.low >= self.bar)

    @property
    def refuted(self) -> bool:
        """The whole interval is on the wrong side: what a short run can show."""
        return self.bar is not None and (self.figure.low > self.bar if self.at_most else self.figure.high < self.bar)


@dataclass(frozen=True, slots=True)
class Measurement:
    """How one line is measured."""

    name: str
    group: str
    what: str
    bar: float | None
    measure: Callable[[Effort, Generator], Figure]
    at_most: bool = True
    budget: float | None = None

    def rows(self, effort: Effort) -> list[Row]:
        """The line."""
        figure = self.measure(effort, generator(self.name + self.what))
        return [Row(self.name, self.what, figure, self.bar, self.at_most, self.budget)]
