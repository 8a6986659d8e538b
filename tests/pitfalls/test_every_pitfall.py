"""Every pitfall has a test that bears its number."""

from __future__ import annotations

import re
from pathlib import Path

PITFALLS = range(1, 24)


def test_each_of_the_23_pitfalls_has_a_test_in_the_fast_suite() -> None:
    slow, fast = "@pytest.mark.slow", set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for decorators, number in re.findall(r"((?:^@.*\n)*)^def test_pitfall_5_(\d+)_", path.read_text("utf-8"), re.M):
            if slow not in decorators:
                fast.add(int(number))
    assert fast == set(PITFALLS)
