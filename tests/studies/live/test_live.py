"""The study of the live path runs; how fast is not a matter for a test."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "run.py"
PAGE = SCRIPT.parents[3] / "docs" / "benchmarks.md"


@pytest.mark.slow
def test_every_stage_of_every_case_is_measured() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--tiny"], check=True, capture_output=True, text=True, timeout=120)
    rows = [line.split("|")[2:-1] for line in done.stdout.splitlines() if line.startswith("| ")]
    assert {len(row) for row in rows} == {3}
    assert all(float(cell.strip(" *").replace(",", "")) > 0 for cell in rows[-3])
    assert sum(cell.strip() == "0" for cell in rows[6]) == 0, "the journal"


def test_the_section_of_the_page_begins_as_the_study_writes_it() -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    (heading,) = re.findall(r'^HEADING = "(.*)"', script, re.MULTILINE)
    (rest,) = re.findall(r'^INTRODUCTION = f"""\\\n\{HEADING\}(.*?)"""', script, re.DOTALL | re.MULTILINE)
    assert heading + rest in PAGE.read_text(encoding="utf-8")
