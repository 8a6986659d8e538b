"""What `import detectors` promises."""

from __future__ import annotations

import re
import subprocess
import sys
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

import detectors


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, detectors; print(sorted({'torch', 'numba', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.slow
def test_the_instrument_runs_without_torch() -> None:
    code = "import sys; from detectors import *; import detectors.checks; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_every_public_name_is_there_and_listed() -> None:
    assert set(detectors.__all__) <= set(dir(detectors))
    for name in detectors.__all__:
        assert getattr(detectors, name) is not None


def test_a_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'detectors' has no attribute 'lagg1'"):
        detectors.lagg1  # noqa: B018


def test_the_example_of_the_package_runs_and_reads_what_is_there() -> None:
    example = "".join(re.findall(r"^ {4}.*\n", detectors.__doc__ or "", re.MULTILINE))
    values = np.random.default_rng(0).standard_normal((1_000, 40))
    names: dict[str, Any] = {name: getattr(detectors, name) for name in detectors.__all__} | {"values": values}
    exec(dedent(example), names)
    low, estimate, high = (names[name][200:] for name in ("low", "estimate", "high"))
    assert abs(estimate.mean()) < 0.02
    assert 0.92 < np.mean((low < 0.0) & (high > 0.0)) < 0.98
