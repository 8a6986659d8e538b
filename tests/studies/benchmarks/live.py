"""A child process: many series live, one observation each a tick. Prints seconds per tick and memory per series.

Usage: live.py SERIES WARM_TICKS MEASURED_TICKS
"""

from __future__ import annotations

import ctypes
import gc
import json
import resource
import sys
from pathlib import Path

import numpy as np
from pipeline_rows import SECOND_US
from timing import seconds

from sentinel.config import Settings
from sentinel.pipeline.pipeline import Batch, Pipeline
from sentinel.runtime.kernels import compile_kernels


def resident() -> int:
    """Bytes of memory that the process holds, what was freed being given back first."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main(series: int, warm: int, measured: int) -> None:
    """Warm up, measure, print one line of JSON."""
    compile_kernels()
    pipeline = Pipeline(Settings.model_validate({"series": [{"cadence": "1s"}]}), threads=2)
    generator = np.random.default_rng(3)
    ids, values = np.arange(series), np.zeros(series)
    new = tuple((i, f"series {i}", "benchmark") for i in range(series))

    before = resident()
    state = pipeline.init()

    def tick(t: int, values: np.ndarray) -> None:
        nonlocal state
        batch = Batch(ids, np.full(series, t * SECOND_US), values, () if t else new)
        state, _ = pipeline.advance(state, batch)

    took = []
    for t in range(warm + measured):
        values = 0.5 * values + generator.standard_normal(series)
        if t == warm:
            memory = (resident() - before) / series
        took.append(seconds(lambda t=t, values=values: tick(t, values)))
    print(json.dumps({"seconds": took[warm:], "bytes_per_series": memory}))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
