"""Compiles the kernels before anything waits for them, with a few ticks through a pipeline of every shape they meet.

Only what the configuration may meet: by default neither evidence nor comparisons nor checks of values.

The kernels of the rules, evidence and "slower than it was", take as long as all others, and the compiler runs one
thread at a time. Where the disk has no machine code yet, a second process therefore compiles those, and this one
everything else, at the same time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import sentinel
from detectors import betting, slowing
from detectors.compiled import is_kept
from detectors.evidence import Evidence, above, stream_of
from detectors.pairs import pairs_of
from detectors.slower import Slower

if TYPE_CHECKING:
    from sentinel.config import Settings

PATIENCE_SECONDS = 600.0
"""Bound on the wait for the second process; a busy machine has needed 80 s, and to compile anew takes as long again."""
LOOK_SECONDS = 0.1
"""Longest time until a compilation is left behind."""
_EVIDENCE = "evidence"


class Needs(NamedTuple):
    """Kernels that not every configuration meets."""

    evidence: bool = True
    comparisons: bool = True
    checks: bool = True


EVERYTHING = Needs()


def needs_of(settings: Settings) -> Needs:
    """Tell which kernels the series of a configuration may meet."""
    kinds = {rule.kind for rule in settings.alarms}
    # Of a series without any rule evidence is kept, for those that may be added; a rise comes without bets on pairs.
    slower = any(rule.kind == "slower" and rule.match == "*" for rule in settings.alarms)
    return Needs(
        evidence=not (slower and kinds <= {"slower", "rise"}),
        comparisons=any(series.counterpart is not None for series in settings.series),
        checks=any(series.checks is not None for series in settings.series),
    )


def compile_unless(stopped: Callable[[], bool], needs: Needs) -> bool:
    """Compile in a thread of its own, as the compiler cannot be interrupted and may take half a minute.

    False as soon as `stopped`, which is asked all the while, says so; the thread is then still at work and the process
    has to leave it behind. What the second process compiles is kept for the next start.
    """
    executor = ThreadPoolExecutor(1, thread_name_prefix="compile")
    work = executor.submit(compile_kernels, needs)
    executor.shutdown(wait=False)
    while not wait([work], LOOK_SECONDS).done:
        if stopped():
            return False
    work.result()
    return True


def are_kept(needs: Needs = EVERYTHING) -> bool:
    """True if the disk has machine code of the rules, which take longest, for this processor."""
    return is_kept(slowing.advance) and (not needs.evidence or is_kept(betting.advance))


def compile_kernels(needs: Needs = EVERYTHING) -> None:
    """Compile, or load from the cache on disk, everything that a tick of such a configuration runs through."""
    # Imported here: the second process needs none of it.
    from sentinel.config import Settings
    from sentinel.pipeline.pipeline import Batch, Pipeline

    def on_stage(stage: str, _: float) -> None:
        # The rules come next. If the second process failed, they are compiled here.
        if stage == "bank" and second is not None:
            _wait_for(second)

    names = ("control", "warm-up")
    shape = {"cadence": "1s", "season": ["10s"], **({"checks": {"spike": {"suspect": 9}}} if needs.checks else {})}
    compared = {"counterpart": "control"} if needs.comparisons else {}
    evidence = [{"threshold": 0.8, "alpha": 1e-4}] if needs.evidence else []
    settings = Settings.model_validate(
        {
            "series": [{"match": "warm-up", **compared, **shape}, {"match": "control", **shape}],
            "alarms": [{"kind": "slower", "alpha": 1e-4}, *evidence],
        }
    )
    pipeline = Pipeline(settings, took=on_stage)
    times = np.arange(3, dtype=np.int64) * 1_000_000
    batch = Batch(
        np.repeat(np.arange(2), 3), np.tile(times, 2), np.tile([0.0, 1.0, 0.5], 2),
        tuple((number, name, "warm-up") for number, name in enumerate(names)),
    )  # fmt: skip
    second = None if are_kept(needs) else _second_process(needs)
    pipeline.finish(pipeline.advance(pipeline.init(), batch)[0])


def compile_rules(*, evidence: bool) -> None:
    """Compile the kernel of "slower than it was", and that of evidence if it is needed."""
    slower, there = Slower([1e-4]), np.ones((3, 1), np.bool_)
    slower.advance(slower.init(1), np.zeros((1, 3, 1)), np.arange(3)[:, None], there, ~there)
    if evidence:
        bets = Evidence([above(0.7, 1e-4)])
        bets.advance(bets.init(1), stream_of(pairs_of(np.array([[0.0], [1.0], [0.5]]))))


def _second_process(needs: Needs) -> subprocess.Popen[bytes] | None:
    """Start this module on its own, from the same folder; None where no process may be started."""
    folders = filter(None, (str(Path(sentinel.__file__).parents[1]), os.environ.get("PYTHONPATH")))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(folders)}
    with suppress(OSError):
        return subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, *([_EVIDENCE] if needs.evidence else [])], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return None


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    compile_rules(evidence=_EVIDENCE in sys.argv[1:])
