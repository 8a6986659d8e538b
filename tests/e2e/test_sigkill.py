"""Killed at 20 random moments under load, the daemon loses nothing and doubles nothing, and reads what a replay reads.

The study of which this is a tenth is `tests/studies/endurance/kill.py`; docs/endurance.md has what it found.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.studies.endurance.kill import KINDS, kill_often

KILLS = 5
"""Of each source."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_it_reads_from_nothing_is_lost_or_doubled_and_every_state_is_that_of_a_replay(
    kind: str, tmp_path: Path
) -> None:
    found = kill_often(kind, KILLS, 20, tmp_path)
    assert (found.lost, found.doubled, found.broken, found.differing, found.untold) == (0, 0, 0, 0, 0), found
    assert found.progress == sorted(found.progress)
    assert len(set(found.progress)) > KILLS // 2, "it was killed before it did anything"
    assert max(found.waiting) > 0, "it was killed when nothing was on the way"
    assert found.states > 10
    assert found.alarms > 0
