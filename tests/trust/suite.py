"""The whole suite: everything that is measured, in the order of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tests.trust.attacks import ATTACKS
from tests.trust.channels import CHANNELS
from tests.trust.effort import Effort
from tests.trust.episodes import EPISODES
from tests.trust.fleet import FLEETS
from tests.trust.may import MAY
from tests.trust.power import POWER
from tests.trust.row import Row
from tests.trust.scenarios import ALPHAS, AT, NULL, SCENARIOS, Scenario


class Part(Protocol):
    """Something that is measured."""

    @property
    def name(self) -> str: ...

    @property
    def group(self) -> str: ...

    def rows(self, effort: Effort) -> list[Row]: ...


SUITE: Sequence[Part] = [*SCENARIOS.values(), *EPISODES, *POWER, *MAY, *CHANNELS, *FLEETS, *ATTACKS.values()]

_LEVEL_BIAS = (
    "The level that is taken out holds the past value, so the slope of present on past is about rho - (a/2) (1 - rho), "
    "a the level's gain: the safe side for claims above a threshold, the other for claims below one, of which the "
    "modulus is one too."
)
MISSES: dict[tuple[str, str], str] = {
    (part.name, f"{AT}, alpha {alpha:g}"): _LEVEL_BIAS
    for part in CHANNELS if isinstance(part, Scenario) and part.bars == NULL for alpha in ALPHAS
}  # fmt: skip
"""(scenario, what) of the rows that miss their bar -> why. No bar is moved: the row stands in the page as a limit."""
