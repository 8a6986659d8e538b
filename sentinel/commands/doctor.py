"""`sentinel doctor`: says what this machine has and lacks, and whether the detectors compute correctly on it."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np

from sentinel.domain.spans import duration_in_words

LIBRARIES = ("torch", "numpy", "numba", "polars", "statsmodels", "apscheduler", "prometheus-client", "pydantic")
AGREEMENT = 1e-9
"""Largest difference between the bank and torch that counts as none."""


def main(args: argparse.Namespace) -> int:
    """Print one line per finding; 1 if any is bad. With `--load`, print what so many series cost instead."""
    if args.load:
        from sentinel.commands.load import run

        return run(args.load, args.ticks)
    failed = False
    for name, check in CHECKS.items():
        good, words = check()
        failed |= not good
        print(f"{'ok  ' if good else 'BAD '} {name}: {words}")
    return int(failed)


def _check_interpreter() -> tuple[bool, str]:
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return good, f"Python {platform.python_version()} on {platform.machine()}; 3.11 to 3.13 are supported"


def _check_libraries() -> tuple[bool, str]:
    return True, ", ".join(f"{name} {version(name)}" for name in LIBRARIES)


def _check_processors() -> tuple[bool, str]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return True, f"{usable} usable"


def _check_journal() -> tuple[bool, str]:
    from sentinel.journal import Journal

    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder)) as journal:
        began = perf_counter()
        for number in range(20):
            journal.record("operator", {"probe": number}, number)
        took = (perf_counter() - began) / 20
        read = sum(1 for _ in journal.tail(0))
    return read == 20, f"{duration_in_words(took)} per commit in {tempfile.gettempdir()}, all {read} read back"


def _check_kernels() -> tuple[bool, str]:
    from sentinel.runtime.kernels import compile_kernels

    began = perf_counter()
    compile_kernels()
    took = duration_in_words(perf_counter() - began)
    return True, f"ready after {took} (the first time compiles, later ones load the cache)"


def _check_oracle() -> tuple[bool, str]:
    """Compare the fused bank with torch's LSTM cells, with gaps and resets."""
    from detectors.bank import Bank
    from detectors.lstm import features, lstm, pair_states
    from detectors.pairs import Pairs
    from detectors.spectrum import thresholds
    from detectors.tables import lag1

    random = np.random.default_rng(0)
    shape = (2_000, 4)
    valid = random.random(shape) > 0.1
    past, present = (np.where(valid, random.standard_t(3, shape), 0.0) for _ in range(2))
    pairs = Pairs(past, present, valid, random.random(shape) > 0.999)
    detectors = [lag1(float(r), 70.0) for r in thresholds()]
    state, _, _ = Bank(detectors).advance(Bank(detectors).init(shape[1]), pairs)
    _, (_, cells) = lstm(detectors).requires_grad_(False)(features(pairs))
    apart = float(np.abs(pair_states(cells[0]).numpy() - state.cell).max())
    return (
        apart <= AGREEMENT,
        f"the bank and torch.nn.LSTM agree to {apart:.1e} in {shape[0]:,} ticks (limit {AGREEMENT:g})",
    )


CHECKS: dict[str, Callable[[], tuple[bool, str]]] = {
    "interpreter": _check_interpreter,
    "libraries": _check_libraries,
    "processors": _check_processors,
    "journal": _check_journal,
    "compiled kernels": _check_kernels,
    "instrument": _check_oracle,
}
