"""A copy of the packages, for tests of what lies beside their files: compiled kernels."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree, ignore_patterns

ROOT = Path(__file__).parents[1]


def copy_packages(folder: Path, *, without: str = "*.nb?") -> Path:
    """Copy both packages without some files; the folder then is one for PYTHONPATH."""
    for name in ("sentinel", "detectors"):
        copytree(ROOT / name, folder / name, ignore=ignore_patterns(without))
    return folder
