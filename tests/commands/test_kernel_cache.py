"""Where compiled kernels are kept for a user without a home, whose packages cannot be written, as in a container."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sentinel.runtime.kernels import compile_kernels
from tests.packages import copy_packages

pytestmark = pytest.mark.slow

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def without() -> str:
    """Files that the packages do not bring."""
    return "__pycache__"


@pytest.fixture
def run(tmp_path: Path, without: str) -> Run:
    """Run a command of sentinel in the test's folder, from packages on a read-only file system, without a home."""
    packages = copy_packages(tmp_path / "packages", without=without)
    read_only = f"mount --bind {packages} {packages} && mount -o remount,ro,bind {packages}"
    space = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*space, read_only], capture_output=True, check=False).returncode
    ):
        pytest.skip("no name spaces for users on this machine")
    usual = {name: text for name, text in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}

    def begin(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [*space, f'{read_only} && exec "$@"', "sh", sys.executable, "-m", "sentinel", *arguments]
        settings = usual | {"HOME": "/proc/none", "PYTHONPATH": str(packages), "TMPDIR": str(tmp_path)} | environment
        return subprocess.run(
            command, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False, timeout=300
        )

    (tmp_path / "t.csv").write_text("time,value\n" + "".join(f"2020-01-01T{h:02d}:00Z,{h % 5}\n" for h in range(24)))
    return begin


@pytest.mark.parametrize("command", [("inspect", "t.csv"), ("cite",)], ids=" ".join)
def test_without_a_place_for_compiled_code_one_line_says_what_to_set(run: Run, tmp_path: Path, command: str) -> None:
    # The compiler raised "no locator available" at import, with a traceback.
    before = set(tmp_path.iterdir())
    result = run(*command)
    assert (result.returncode, result.stderr) == (
        0,
        "sentinel: NUMBA_CACHE_DIR: neither the packages nor a cache in the home can be written: compiled code is not "
        "kept and each start compiles it again; set it to a folder that can be\n",
    )
    assert set(tmp_path.iterdir()) == before, "the folder is removed at the end"


def test_a_folder_that_was_set_and_cannot_be_written_is_named_and_one_that_can_be_is_used_in_silence(
    run: Run, tmp_path: Path
) -> None:
    refused = run("inspect", "t.csv", NUMBA_CACHE_DIR="/proc/none")
    assert refused.returncode == 0
    assert refused.stderr.startswith("sentinel: NUMBA_CACHE_DIR: /proc/none cannot be written: ")
    assert refused.stderr.count("NUMBA_CACHE_DIR") == 1
    assert "Traceback" not in refused.stderr
    used = run("inspect", "t.csv", NUMBA_CACHE_DIR=str(tmp_path / "kept"))
    assert used.returncode == 0
    assert "NUMBA_CACHE_DIR" not in used.stderr


@pytest.fixture
def compiled_beside_the_files() -> None:
    compile_kernels()


@pytest.mark.usefixtures("compiled_beside_the_files")
@pytest.mark.parametrize("without", ["*.pyc"])
def test_where_the_packages_bring_compiled_code_nothing_needs_to_be_set(run: Run) -> None:
    result = run("inspect", "t.csv")
    assert (result.returncode, result.stderr) == (0, "")


def test_commands_that_compile_nothing_say_nothing(run: Run) -> None:
    result = run("schema")
    assert (result.returncode, result.stderr) == (0, "")


def test_kernels_are_compiled_and_run_all_the_same(run: Run) -> None:
    result = run("doctor")
    assert result.returncode == 0, result.stdout
    assert "BAD" not in result.stdout
    assert "Traceback" not in result.stderr
    assert result.stderr.count("NUMBA_CACHE_DIR") == 1
