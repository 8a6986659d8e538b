"""What `import detectors` promises."""

from __future__ import annotations

import subprocess
import sys

import pytest

import detectors


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, detectors; print(sorted({'torch', 'numba', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


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
