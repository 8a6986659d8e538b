"""Finds a folder for compiled kernels where the usual ones cannot be written, as in a container or without a home.

numba keeps machine code in NUMBA_CACHE_DIR, beside the packages, or in the user's cache, and refuses to compile where
it can keep none.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import sentinel
from sentinel.domain.errors import SentinelError

VARIABLE = "NUMBA_CACHE_DIR"


def find_folder() -> None:
    """Choose a new folder of this process's own, with one line on standard error, where no usual one can be written.

    SentinelError where there is no room for that either.
    """
    chosen = os.environ.get(VARIABLE, "")
    if _can_be_written(Path(chosen)) if chosen else _is_usual_place_writable():
        return
    why = f"{chosen} cannot be written" if chosen else "neither the packages nor a cache in the home can be written"
    try:
        # Never a folder of a known name: what is read from it is run.
        folder = tempfile.mkdtemp(prefix="sentinel-kernels-")
    except OSError as error:
        raise SentinelError(
            f"{VARIABLE}: {why}, and no temporary folder can; a folder that can be is needed"
        ) from error
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[VARIABLE] = folder
    if not chosen:  # the home cannot be written, and the library that draws pictures would say so in lines of its own
        os.environ.setdefault("MPLCONFIGDIR", folder)
    if import_module("sentinel.runtime.kernels").are_kept():
        return  # the packages bring compiled code
    advice = "compiled code is not kept and each start compiles it again; set it to a folder that can be"
    print(f"sentinel: {VARIABLE}: {why}: {advice}", file=sys.stderr)


def _is_usual_place_writable() -> bool:
    packages = Path(sentinel.__file__).parents[1]
    if all(_can_be_written(packages / name / "__pycache__") for name in ("sentinel", "detectors")):
        return True
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - no error without a home
    return _can_be_written(Path(caches) / "numba")


def _can_be_written(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
