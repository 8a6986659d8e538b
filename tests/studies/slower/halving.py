"""How soon the default alarm sees a halving of the return rate, and how long a record must be: measured on AR(1).

Written into `detectors/halving.py` by `python -m tests.studies.slower.halving --write`.

A series recovers within `T` ticks (lag 1 is exp(-1/T)); then, at shocks of the same size, within `2 T`. The survival of
runs that slow is divided by that of runs that do not, so that false alarms count for nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

import detectors.halving as halving
from detectors.halving import ALPHAS, LONGEST, RECOVERY
from detectors.slower import Slower

Floats = NDArray[np.float64]

SEED, RUNS, BLOCK = 20_261_129, 192, 20_000
LENGTHS = (30, 50, 70, 100, 200, 300, 450, 700, 1_000, 1_400, 2_000, 3_000, 4_500, 7_000)
"""Of a record, in recovery times."""


def first_alarms(recovery: float, before: int, after: int, seed: int, *, slows: bool) -> Floats:
    """Ticks from the halving to the first alarm, infinite without one; shape (run, alpha)."""
    random = np.random.default_rng((SEED, seed, round(2 * recovery), slows))
    slower = Slower(ALPHAS, threads=2)
    state = slower.init(RUNS)
    first = np.full((RUNS, len(ALPHAS)), np.inf)
    steady = np.exp(-1.0 / recovery)
    now, tick = random.standard_normal(RUNS), 0
    for rho, ticks in ((steady, before), (np.exp(-0.5 / recovery) if slows else steady, after)):
        for size in (min(BLOCK, ticks - begin) for begin in range(0, ticks, BLOCK)):
            shocks = random.standard_normal((size, RUNS)) * np.sqrt(1.0 - steady * steady)
            values, _ = lfilter([1.0], [1.0, -rho], shocks, axis=0, zi=(rho * now)[None])
            there = np.ones((size, RUNS), np.bool_)
            ticks_here = np.repeat(np.arange(tick, tick + size)[:, None], RUNS, axis=1)
            state, block = slower.advance(state, values[None], ticks_here, there, ~there)
            for at, run, rule in np.argwhere(block.found.raised):
                if tick + at >= before:
                    first[run, rule] = min(first[run, rule], tick + at - before + 1)
            now, tick = values[-1], tick + size
    return first


def delays(recovery: float) -> Floats:
    """Median ticks, by alpha, after a past of 400 recovery times and at least 4,000 ticks; at most `LONGEST`."""
    before, after = round(max(4_000, 400 * recovery)), round(max(4_000, LONGEST * recovery))
    slowed, steady = (first_alarms(recovery, before, after, 0, slows=slows) for slows in (True, False))
    found = np.full(len(ALPHAS), max(after, LONGEST * recovery))
    for rule in range(len(ALPHAS)):
        for at in np.sort(slowed[np.isfinite(slowed[:, rule]), rule]):
            survived = np.mean(slowed[:, rule] > at) / max(float(np.mean(steady[:, rule] > at)), 1e-9)
            if survived <= 0.5:
                found[rule] = at
                break
    return found


def records(recovery: float) -> Floats:
    """Recovery times, by alpha, that a record lasts in whose second half every other halving is seen."""
    shares = []
    lengths = [length for length in LENGTHS if length * recovery >= 100]
    for length in lengths:
        half = round(length * recovery / 2)
        slowed, steady = (first_alarms(recovery, half, half, length, slows=slows) for slows in (True, False))
        missed = np.isinf(slowed).mean(axis=0) / np.maximum(np.isinf(steady).mean(axis=0), 1e-9)
        shares.append(1.0 - np.minimum(missed, 1.0))
        if np.min(shares[-1]) > 0.8:
            break
    table = np.maximum.accumulate(np.array(shares), axis=0)
    logs = np.log(lengths[: len(shares)])
    return np.array([
        np.exp(np.interp(0.5, share + 1e-9 * np.arange(len(share)), logs, right=np.inf)) for share in table.T
    ])  # fmt: skip


def write() -> None:
    """Measure both tables, print them, and put them into the module."""
    lines = []
    for name, of in (("_DELAYS", delays), ("_RECORDS", records)):
        lines.append(f"{name} = np.array([")
        for recovery in RECOVERY:
            # A smaller budget never sees sooner; runs of chance may say otherwise.
            found = np.maximum.accumulate(of(recovery) / (recovery if name == "_DELAYS" else 1.0))
            lines.append("    [" + ", ".join(f"{number:.2g}" for number in found).replace("inf", "np.inf") + "],")
            print(name, recovery, lines[-1], flush=True)
        lines.append("])  # fmt: skip")
    path = Path(halving.__file__)
    head, _, rest = path.read_text().partition("# measured: begin\n")
    _, _, tail = rest.partition("# measured: end\n")
    path.write_text(head + "# measured: begin\n" + "\n".join(lines) + "\n# measured: end\n" + tail)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", required=True)
    parser.parse_args()
    write()
