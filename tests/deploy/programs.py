"""Programs beside the daemon, such as Prometheus: started on loopback, asked, ended."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest


def program(name: str) -> str:
    """Path of a program, of this environment or of the machine; where it is absent a test skips, in CI it fails."""
    own = sysconfig.get_path("scripts")  # not on PATH where the environment is not activated
    path = shutil.which(name, path=own) or shutil.which(name)
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(f"{name}: not installed; .ci/run installs it")
    if path is None:
        pytest.skip(f"{name}: not installed")
    return path


def free_address() -> str:
    """host:port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@contextmanager
def running(command: list[str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child process, ended at the end whatever happens."""
    with output.open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def eventually(ask: Callable[[], Any], seconds: float, say: Callable[[], str]) -> Any:
    """The first true answer; fails with what `say` tells when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > deadline:
            pytest.fail(say())
        time.sleep(0.3)
    return answer


def ask(client: httpx.Client, endpoint: str, **parameters: str | float) -> list[dict[str, Any]]:
    """The result of a query; an error of Prometheus fails the test with its message."""
    response = client.get(f"/api/v1/{endpoint}", params=parameters)
    if response.status_code == 503:  # not ready yet
        return []
    assert response.status_code == 200, f"{parameters.get('query')}: {response.text}"
    result: list[dict[str, Any]] = response.json()["data"]["result"]
    return result
