"""What all tests share: a seeded generator, and the flag that rewrites golden files."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from detectors.betting import advance
from detectors.compiled import is_kept
from sentinel.runtime.kernels import compile_kernels
from tests.laws import examples

# How long an example takes is the machine's affair. In CI the examples are the same each time: what breaks there was
# broken by the change; at a desk they are new ones in every run. There are fewer of them in the fast suite.
settings.register_profile("laws", max_examples=examples(40, 100), deadline=None, derandomize="CI" in os.environ)
settings.load_profile("laws")

pytest_plugins = ["tests.fixtures"]

GOLDEN = Path(__file__).parent / "golden"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile once, in two processes, what two workers would else both compile; prepare a worker for its imports."""
    config = session.config
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        gc.disable()  # until all is imported: it took a quarter of the time
    elif not is_kept(advance):
        # The compiler takes half as long again where coverage looks over its shoulder.
        tracer = sys.gettrace()
        sys.settrace(None)
        compile_kernels()
        sys.settrace(tracer)


def pytest_collection_finish() -> None:
    """What is imported by now stays: not looked through again by every garbage collection of every test."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite tests/golden and the written parts of docs; review the diff",
    )


@pytest.fixture
def generator() -> np.random.Generator:
    """The same random numbers in every run."""
    return np.random.default_rng(20260101)


@pytest.fixture
def golden(request: pytest.FixtureRequest):
    """Compare a text with `tests/golden/NAME`, or write it there under --update-golden."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"{name}: if the change is meant, run --update-golden"

    return compare


@pytest.fixture
def golden_part(request: pytest.FixtureRequest):
    """Compare a text with what stands in a page between two marks, or write it there under --update-golden."""

    def compare(page: Path, begin: str, text: str, end: str) -> None:
        before, begun, rest = page.read_text(encoding="utf-8").partition(begin)
        written, ended, after = rest.partition(end)
        assert begun, f"{page.name}: the mark {begin!r} is gone"
        assert ended, f"{page.name}: the mark {end!r} is gone"
        if request.config.getoption("--update-golden"):
            page.write_text(before + begin + text + end + after, encoding="utf-8")
            written = text
        assert text == written, f"{page.name}: if the change is meant, run --update-golden"

    return compare
