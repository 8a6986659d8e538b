"""Compile the kernels before anything waits for them: a few ticks through a pipeline of every shape they meet."""

from __future__ import annotations

import numpy as np

from sentinel.configuration import Settings
from sentinel.pipeline import Batch, Pipeline


def compile_kernels() -> None:
    """Compile, or load from the cache on disk, everything that a tick runs through."""
    settings = Settings.model_validate({"series": [{"cadence": "1s", "season": ["10s"]}]})
    pipeline = Pipeline(settings)
    times = np.arange(3, dtype=np.int64) * 1_000_000
    batch = Batch(np.zeros(3, np.int64), times, np.array([0.0, 1.0, 0.5]), ((0, "warm-up", "warm-up"),))
    pipeline.finish(pipeline.advance(pipeline.init(), batch)[0])
