"""The whole suite: everything that is measured, in the order of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tests.studies.trust.attacks import ATTACKS
from tests.studies.trust.channels import CHANNELS
from tests.studies.trust.effort import Effort
from tests.studies.trust.episodes import EPISODES
from tests.studies.trust.fleet import FLEETS
from tests.studies.trust.may import MAY
from tests.studies.trust.power import POWER
from tests.studies.trust.row import Row
from tests.studies.trust.scenarios import SCENARIOS
from tests.studies.trust.slower import SLOWER


class Part(Protocol):
    """Something that is measured."""

    @property
    def name(self) -> str: ...

    @property
    def group(self) -> str: ...

    def rows(self, effort: Effort) -> list[Row]: ...


SUITE: Sequence[Part] = [*SCENARIOS.values(), *EPISODES, *POWER, *MAY, *CHANNELS, *FLEETS, *ATTACKS.values(), *SLOWER]

MISSES: dict[tuple[str, str], str] = {}
"""(scenario, what) of the rows that miss their bar -> why. No bar is moved: the row stands in the page as a limit."""
