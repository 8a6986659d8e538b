"""The section that sets the default rule beside other sequential detectors says what a run of the study says."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest

from tests.studies.slower.peers import AFTER, ALPHAS, BEGIN, END, JUMPS, PAGE, PINNED, STEP, head, lines, measure
from tests.studies.slower.sequential import CHANGES, FITTED, METHODS, RHO, fit, ours, products
from tests.studies.trust.effort import generator
from tests.studies.trust.nulls import stationary


def section() -> str:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    written, ended, _ = rest.partition(END)
    assert ended, f"{PAGE.name}: the mark {END!r} is gone"
    return written


def test_the_page_describes_the_methods_as_they_are_measured() -> None:
    written = section()
    assert written.startswith(head()), "if the change is meant, run python -m tests.studies.slower.peers --write"
    for name in METHODS:
        for alpha in ALPHAS:
            assert written.count(f"\n| {name} | {alpha:g} |") == 1


def test_the_versions_that_are_described_are_those_that_are_installed_for_benchmarks() -> None:
    project = tomllib.loads((PAGE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    bench = project["project"]["optional-dependencies"]["bench"]
    assert {f"{package}=={pinned}" for package, pinned in PINNED.items()} <= set(bench)


def test_what_peers_are_fed_with_is_at_rest_until_the_series_slows_down() -> None:
    """Otherwise a peer would be blamed for what it was fed with."""
    for make in JUMPS.values():
        values = make(generator("what peers are fed with"), (4_000, 50))
        _, before, errors = fit(values)
        assert errors[:FITTED].std(axis=0) == pytest.approx(1.0)
        assert np.mean(errors[FITTED:CHANGES] * before[FITTED:CHANGES]) == pytest.approx(0.0, abs=0.05)
        assert products(values)[FITTED:CHANGES].std() == pytest.approx(1.0, abs=0.1)
        assert products(values)[CHANGES + 100 :].mean() > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_a_new_run_gives_the_figures_of_the_page(name: str) -> None:
    package = METHODS[name].package
    if package:
        try:
            installed = version(package)
        except PackageNotFoundError:
            pytest.skip(f"{package} is not installed: pip install '.[bench]'")
        if installed != PINNED[package]:
            pytest.skip(f"{package} {installed} is installed; the page is about {PINNED[package]}")
    row = lines(measure(name, 1e-3))
    print(row)
    assert row in section().splitlines()


SENSOR = 8.0
"""Standard deviations by which another sensor may read otherwise."""


@pytest.mark.slow
def test_the_page_says_how_often_a_first_step_after_a_long_rest_raises_the_default_alarm() -> None:
    rest = stationary(RHO)(generator("peers: one step"), (CHANGES + AFTER, 400))
    step = 1.0 * (np.arange(CHANGES + AFTER)[:, None] >= CHANGES)
    said = {}
    for alpha in (1e-4, 1e-5):
        alarms = [ours({"kind": "slower"})(rest + size * step, alpha).raised for size in (STEP, SENSOR, 0.0)]
        said[alpha] = [f"{np.mean([(ticks >= CHANGES).any() for ticks in raised]):.0%}" for raised in alarms]
    words = " ".join(PAGE.read_text(encoding="utf-8").replace(" %", "%").split())
    (stepped, swapped, rested), (stepped_late, swapped_late, rested_late) = said.values()
    assert f"at 1e-4, {stepped} of 400 series had an alarm within 1,000 ticks, {rested} without the step" in words
    assert f"at 1e-5, {stepped_late} and {rested_late}." in words
    assert f"of {SENSOR:g} sd, {swapped} at 1e-4 and {swapped_late} at 1e-5." in words
