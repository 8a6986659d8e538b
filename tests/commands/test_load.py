"""`sentinel doctor --load`: what so many series cost here, in a table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.commands.load import CASES, ROWS, table


@given(power=st.floats(0.1, 2.0), counts=st.lists(st.integers(1, 10**6), min_size=2, max_size=4, unique=True))
def test_a_cost_that_is_a_power_of_the_number_of_series_is_said_to_grow_with_that_power(
    power: float, counts: list[int]
) -> None:
    counts.sort()
    lines = table(counts, "any", "slower", [dict.fromkeys(ROWS, n**power) for n in counts]).splitlines()
    assert len(lines) == 2 + len(ROWS)
    for line in lines[2:]:
        assert float(line.split(" | ")[-2]) == pytest.approx(power, abs=0.0051)  # two digits are shown


@pytest.mark.parametrize(("megabytes", "said"), [(1.0, "met"), (1e4, "missed")])
def test_what_is_asked_of_memory_grows_with_the_series(megabytes: float, said: str) -> None:
    lines = table([100_000], "any", "lag1", [dict.fromkeys(ROWS, megabytes)]).splitlines()
    memory = next(line for line in lines if line.startswith(f"| {ROWS['memory'].name} "))
    assert memory.endswith(f"at most 579: {said} |")


@pytest.mark.slow
def test_each_row_is_measured_and_nothing_is_left_behind(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "sentinel", "doctor", "--load", "3", "1200", "--ticks", "4"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=600, env=environment, cwd=tmp_path
    )
    assert done.stderr == ""
    for row in ROWS.values():
        assert done.stdout.count(f"| {row.name} |") == len(CASES)
    assert "nan" not in done.stdout
    assert list(tmp_path.iterdir()) == []
