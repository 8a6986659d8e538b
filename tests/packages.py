"""A copy of the packages, for tests of what lies beside their files: compiled kernels."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree, ignore_patterns

import detectors
import sentinel


def copy_packages(folder: Path, *, without: str = "*.nb?") -> Path:
    """Copy both packages without some files; the folder then is one for PYTHONPATH."""
    for package in (sentinel, detectors):
        copytree(Path(package.__file__).parent, folder / package.__name__, ignore=ignore_patterns(without))
    return folder
