"""The systemd unit: valid, hardened, and free of the traps that were measured with these libraries."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

BINARY = "/opt/sentinel/bin/sentinel"


@pytest.fixture(scope="module")
def unit(deploy: Path) -> list[str]:
    """The lines of the unit that systemd reads."""
    lines = (deploy / "systemd" / "sentinel.service").read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "["))]


@pytest.fixture
def installed(deploy: Path, tmp_path: Path) -> Path:
    """The unit as on a machine where the program is installed: its path leads to a program that exists."""
    text = (deploy / "systemd" / "sentinel.service").read_text()
    path = tmp_path / "sentinel.service"
    path.write_text(text.replace(BINARY, "/bin/true"))
    return path


def test_systemd_accepts_the_unit_without_a_word(installed: Path, tool: Callable[[str], str]) -> None:
    # Unknown keys and bad values leave the exit code at 0 and only print a line.
    result = subprocess.run(
        [tool("systemd-analyze"), "verify", str(installed)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_the_exposure_is_at_most_1_1_of_10(installed: Path, tool: Callable[[str], str]) -> None:
    command = [
        tool("systemd-analyze"),
        "security",
        "--offline=yes",
        "--threshold=11",
        "--no-pager",
        str(installed),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 0, result.stdout[-400:]


@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "NotifyAccess=main",
        "WatchdogSec=60",
        "DynamicUser=yes",
        "StateDirectory=sentinel",
        "CacheDirectory=sentinel",
        "RestartPreventExitStatus=78 73",
        "EnvironmentFile=-/etc/default/sentinel",
        "Environment=NUMBA_CACHE_DIR=%C/sentinel",
        "Environment=POLARS_SKIP_CPU_CHECK=1",
        "StartLimitIntervalSec=0",
        f"ExecStart={BINARY} run /etc/sentinel/sentinel.yaml",
    ],
)
def test_the_unit_says(unit: list[str], line: str) -> None:
    assert line in unit


def test_the_configuration_that_is_installed_keeps_its_state_where_the_unit_may_write(
    deploy: Path, unit: list[str]
) -> None:
    # Started from /, its ./state could not be made, and the service of a fresh machine ended with 73.
    assert '"$here/config/sentinel.yaml" "$config"' in (deploy / "install.sh").read_text()
    assert "WorkingDirectory=%S/sentinel" in unit
    assert "StateDirectory=sentinel" in unit
    configured = yaml.safe_load((deploy.parent / "config" / "sentinel.yaml").read_text())["daemon"]["state_dir"]
    assert (Path("/var/lib/sentinel") / configured).resolve().is_relative_to("/var/lib/sentinel")


def test_the_daemon_judges_its_configuration_and_nothing_before_it(unit: list[str]) -> None:
    # A check in front of the signal refused a wrong file before the daemon saw it: SentinelConfigReloadFailed could not
    # fire. One in front of the start ended with 78, which systemd does not look at there: it tried again and again.
    assert [line for line in unit if line.startswith("ExecReload=")] == ["ExecReload=/bin/kill -HUP $MAINPID"]
    assert not [line for line in unit if line.startswith(("ExecStartPre=", "ExecCondition="))]


def test_compiled_kernels_may_run_and_the_unit_says_why(deploy: Path) -> None:
    lines = (deploy / "systemd" / "sentinel.service").read_text().splitlines()
    where = lines.index("MemoryDenyWriteExecute=no")
    assert "numba" in lines[where - 1]


def test_process_metrics_stay_visible(unit: list[str]) -> None:
    # ProcSubset=pid hides /proc/stat, and every process_* metric vanishes without an error.
    assert not [line for line in unit if line.startswith("ProcSubset=")]


def test_refused_system_calls_fail_and_do_not_kill(unit: list[str]) -> None:
    # Without this, importing torch under the filter ends the process with SIGSYS.
    assert "SystemCallErrorNumber=EPERM" in unit


def test_nothing_is_read_from_a_home_folder(unit: list[str]) -> None:
    assert "ProtectHome=yes" in unit
    homes = [f"/{name}/" for name in ("home", "root")]
    assert not [line for line in unit if any(home in line for home in homes)]
