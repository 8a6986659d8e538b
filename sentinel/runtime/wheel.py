"""Compiles the kernels while a wheel is built, so that the first start after `pip install` need not.

What comes of it fits the processor, the Python and the numba of the machine that builds. Elsewhere it is passed over,
and the first start compiles.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools.command.build_py import build_py

_COMPILE = "from sentinel.runtime.kernels import compile_kernels; compile_kernels()"


class BuildWithKernels(build_py):  # type: ignore[misc]
    """Copies the packages as setuptools does, and lets the copy compile its kernels beside its files."""

    def run(self) -> None:
        """Copy and compile; a machine that cannot compile builds a wheel without compiled kernels."""
        super().run()
        if self.editable_mode:
            return
        copy = Path(self.build_lib).absolute()
        for old in copy.rglob("__pycache__"):
            shutil.rmtree(old)
        # What a build runs in comes by this variable, too.
        folders = filter(None, (str(copy), os.environ.get("PYTHONPATH")))
        own = {"PYTHONPATH": os.pathsep.join(folders), "PYTHONDONTWRITEBYTECODE": "1", "NUMBA_CACHE_DIR": ""}
        done = subprocess.run([sys.executable, "-P", "-c", _COMPILE], env=os.environ | own, check=False)
        if done.returncode:
            self.warn("the kernels were not compiled, for the reason above; the first start will do it")
