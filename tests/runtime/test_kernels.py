"""The kernels are compiled once, by two processes where the disk has nothing, and come from the disk afterwards."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from numba import float64
from numba.core import event
from numba.core.errors import TypingError

from detectors.compiled import part
from sentinel.config import Settings
from sentinel.runtime.kernels import needs_of
from tests.packages import copy_packages

PROGRAM = """
import json, sys
sys.executable = sys.argv[1]
from sentinel.config import Settings
from sentinel.runtime.kernels import EVERYTHING, compile_kernels, needs_of
compile_kernels(EVERYTHING if sys.argv[2] == "all" else needs_of(Settings.model_validate({})))
from detectors import bank, betting, fading, slowing, spectrum, spread
from sentinel.pipeline import alarm, checks, difference, kernel
kernels = [
    bank._advance, betting.advance, fading._fade, slowing.advance, spectrum._crossings, spread._advance,
    alarm._advance, checks.check, difference.subtract, kernel.condition,
]
name = lambda kernel: f"{kernel.py_func.__module__}.{kernel.py_func.__name__}"
count = lambda found: {name(k): sum(getattr(k.stats, found).values()) for k in kernels}
print(json.dumps([count("cache_hits"), count("cache_misses")]))
"""


def compiled_in(
    cache: Path, executable: str = sys.executable, what: str = "all"
) -> tuple[dict[str, int], dict[str, int]]:
    """Signatures of each kernel that a new process found on the disk, and that it compiled itself.

    It runs in a copy of the program beside the installed one, which the second process once compiled instead.
    """
    copy = cache / "copy"
    return found_and_made(copy if copy.exists() else copy_packages(copy), cache / "kept", executable, what)


def found_and_made(
    packages: Path, cache: Path, executable: str = sys.executable, what: str = "all"
) -> tuple[dict[str, int], dict[str, int]]:
    """As `compiled_in`, of packages that may bring kernels of their own."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, executable, what], env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
        cwd=packages, capture_output=True, text=True, timeout=600, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    found, made = json.loads(done.stdout)
    return found, made


@pytest.mark.slow
def test_what_the_default_configuration_never_meets_is_not_compiled(tmp_path: Path) -> None:
    found, made = compiled_in(tmp_path, what="default")
    unmet = ("detectors.betting.advance", "sentinel.pipeline.checks.check", "sentinel.pipeline.difference.subtract")
    assert [made.pop(kernel) for kernel in unmet] == [0, 0, 0]
    assert (found.pop("detectors.slowing.advance"), made.pop("detectors.slowing.advance")) == (1, 0)
    assert set(found.values()) == {0}
    assert set(made.values()) == {1}


@pytest.mark.slow
def test_a_second_process_compiles_the_rules_and_the_next_start_compiles_nothing(tmp_path: Path) -> None:
    found, made = compiled_in(tmp_path)
    for rule in ("detectors.betting.advance", "detectors.slowing.advance"):
        assert (found.pop(rule), made.pop(rule)) == (1, 0)
    assert set(found.values()) == {0}
    assert set(made.values()) == {1}, "one signature each"
    found, made = compiled_in(tmp_path)
    assert set(found.values()) == {1}
    assert set(made.values()) == {0}


@pytest.mark.slow
@pytest.mark.parametrize("executable", ["/nowhere/python", "/bin/false"])
def test_where_no_second_process_can_run_everything_is_compiled_by_the_first(tmp_path: Path, executable: str) -> None:
    found, made = compiled_in(tmp_path, executable)
    assert set(found.values()) == {0}
    assert set(made.values()) == {1}


@pytest.mark.parametrize(
    ("alarms", "needed"),
    [
        (None, False),
        ([{"kind": "slower", "alpha": 1e-4}, {"kind": "rise", "ratio": 2.0}], False),
        ([{"kind": "slower", "alpha": 1e-4}, {"threshold": 0.8, "alpha": 1e-4}], True),
        ([{"kind": "slower", "alpha": 1e-4, "match": "lake*"}], True),
        ([], True),
    ],
)
def test_evidence_is_compiled_where_a_series_may_meet_it(alarms: list[dict[str, object]] | None, needed: bool) -> None:
    settings = Settings.model_validate({} if alarms is None else {"alarms": alarms})
    assert needs_of(settings).evidence is needed


@pytest.mark.parametrize("key", ["counterpart", "checks"])
def test_comparisons_and_checks_are_compiled_where_a_series_has_them(key: str) -> None:
    value = {"counterpart": "control", "checks": {"spike": {"suspect": 9}}}[key]
    needs = needs_of(Settings.model_validate({"series": [{"match": "one", key: value}, {"match": "*"}]}))
    assert (needs.comparisons, needs.checks) == (key == "counterpart", key == "checks")


class Watch(event.Listener):
    """Notes for each pass of the compiler whether the garbage collector is at work."""

    def __init__(self) -> None:
        self.collected: list[bool] = []

    def on_start(self, _: object) -> None:
        self.collected.append(gc.isenabled())

    def on_end(self, _: object) -> None:
        pass


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("compiles", [True, False])
def test_the_garbage_collector_rests_while_something_is_compiled_and_then_is_as_it_was(
    enabled: bool, compiles: bool
) -> None:
    inner = part((lambda x: 2.0 * x) if compiles else (lambda x: x.nowhere))
    outer, watch = part(lambda x: inner(x)), Watch()
    (gc.enable if enabled else gc.disable)()
    try:
        with event.install_listener("numba:run_pass", watch), nullcontext() if compiles else pytest.raises(TypingError):
            outer.compile((float64,))
        assert watch.collected
        assert not any(watch.collected)
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
