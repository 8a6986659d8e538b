"""The benchmarks run; how fast is not a matter for a test."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "run.py"


def rows(names: list[str]) -> list[dict[str, Any]]:
    """The rows of some measurements, tiny."""
    command = [sys.executable, str(SCRIPT), "--tiny", "--json", "--only", *names]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return json.loads(done.stdout)


def assert_finite_and_positive(found: list[dict[str, Any]], count: int) -> None:
    """As many rows as expected, each with a figure that can be one."""
    assert len(found) == count
    for row in found:
        figure = row["figure"]
        assert 0.0 < figure["lowest"] <= figure["median"] <= figure["highest"] < math.inf, row["what"]


@pytest.mark.slow
def test_each_measurement_gives_finite_positive_numbers() -> None:
    assert_finite_and_positive(rows(["bank", "lstm", "many", "scrape", "page", "large", "reload", "live"]), 17)


@pytest.mark.slow
@pytest.mark.skipif(not which("mosquitto"), reason="mosquitto is not installed")
def test_each_source_costs_something() -> None:
    assert_finite_and_positive(rows(["sources"]), 16)


@pytest.mark.slow
@pytest.mark.skipif(not (find_spec("ewstools") and find_spec("river")), reason="peers: pip install '.[bench]'")
def test_each_measurement_beside_an_installed_peer_gives_finite_positive_numbers() -> None:
    assert_finite_and_positive(rows(["ewstools", "river", "process", "backtest", "short"]), 6)


def test_the_page_begins_as_the_script_writes_it() -> None:
    script, page = SCRIPT.read_text(encoding="utf-8"), SCRIPT.parents[3] / "docs" / "benchmarks.md"
    (preface,) = re.findall(r'^PREFACE = """\\\n(.*?)"""', script, re.DOTALL | re.MULTILINE)
    assert page.read_text(encoding="utf-8").startswith(preface)
