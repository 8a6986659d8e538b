"""The script that installs, and the Debian package: really installed, brought up to date and removed, in a box.

Libraries are not installed there, as it has no network: those of this environment are found by PYTHONPATH. Its own
sentinel is not among them: pip would call the package installed already, and install no command.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.deploy.box import LIBRARIES, SOURCE, Box, booted
from tests.e2e.running import PATIENCE, wait_for
from tests.runtime.test_kernels import found_and_made

pytestmark = pytest.mark.slow

OTHERS = "/opt/others"
"""Where the libraries are seen there, without sentinel."""
OFFLINE = ("env", "PIP_NO_DEPS=1", "PIP_NO_INDEX=1", f"PYTHONPATH={OTHERS}")


@pytest.fixture(scope="module")
def package(deploy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built by its script."""
    folder = tmp_path_factory.mktemp("package")
    subprocess.run([deploy / "build-deb.sh", folder, sys.executable], check=True, capture_output=True)
    (built,) = folder.glob("*.deb")
    return built


@pytest.fixture
def box(tmp_path: Path, package: Path) -> Iterator[Box]:
    """A system without sentinel."""
    folder = tmp_path / "sentinel-package"
    (folder / "etc").mkdir(parents=True)
    seen = {
        str(package.parent): "/opt/package",
        str(others(tmp_path / "others")): OTHERS,
        sys.base_prefix: "/opt/python",
    }
    with booted(folder, seen) as made:
        yield made


def others(folder: Path) -> Path:
    """`folder` with a link to each library but sentinel, valid where the box sees them."""
    folder.mkdir()
    for here, there in LIBRARIES.items():
        for each in Path(here).iterdir():
            own = each.name.startswith(("sentinel", "detectors", "__editable__"))
            if not own and not (folder / each.name).is_symlink():
                (folder / each.name).symlink_to(f"{there}/{each.name}")
    return folder


def wheel_of(package: Path, folder: Path) -> Path:
    subprocess.run(["dpkg", "-x", package, folder / "package"], check=True)
    (wheel,) = (folder / "package/usr/share/sentinel").glob("*.whl")
    return wheel


def for_another_machine(wheel: Path, folder: Path) -> Path:
    """The wheel without kernels, which those that another machine has compiled are as good as."""
    folder.mkdir()
    with ZipFile(wheel) as had, ZipFile(folder / wheel.name, "w") as has:
        for name in had.namelist():
            if not name.endswith((".nbi", ".nbc")):
                has.writestr(name, had.read(name))
    return folder / wheel.name


def shell(box: Box, command: str) -> str:
    return box.run(*OFFLINE, "sh", "-ec", command)


def test_the_package_installs_keeps_what_was_configured_and_is_removed_without_the_state(
    box: Box, package: Path
) -> None:
    install = f"dpkg -i --force-depends --force-confold /opt/package/{package.name}"
    shell(box, install)
    assert shell(box, "sentinel --version").startswith("sentinel ")
    assert "watch the configured sources" in shell(box, "zcat /usr/share/man/man1/sentinel.1.gz")
    assert "_shtab_sentinel" in shell(box, "cat /usr/share/bash-completion/completions/sentinel")
    assert shell(box, "systemctl show -P LoadState sentinel") == "loaded\n"
    shell(box, "sed -i 's/level: .*/level: warning/; $a # mine' /etc/sentinel/sentinel.yaml; mkdir /var/lib/sentinel")
    shell(box, install)
    assert shell(box, "tail -n 1 /etc/sentinel/sentinel.yaml") == "# mine\n"
    shell(box, "dpkg -P sentinel-ews")
    assert (
        shell(box, "ls -d /opt/sentinel /usr/bin/sentinel /var/lib/sentinel 2>/dev/null || true")
        == "/var/lib/sentinel\n"
    )


def test_the_wheel_brings_the_kernels_that_the_machine_which_built_it_compiled(package: Path, tmp_path: Path) -> None:
    with ZipFile(wheel_of(package, tmp_path)) as archive:
        archive.extractall(tmp_path / "installed")
    found, made = found_and_made(tmp_path / "installed", tmp_path / "kept")
    assert (set(found.values()), set(made.values())) == ({1}, {0})
    assert not (tmp_path / "kept").exists() or not list((tmp_path / "kept").rglob("*.nbc"))


def test_the_script_installs_twice_anywhere_but_in_a_home_and_uninstalls_without_configuration_and_state(
    box: Box, package: Path
) -> None:
    shell(box, f"dpkg -x /opt/package/{package.name} /tmp/package")
    install = f"{SOURCE}/deploy/install.sh --wheel $(echo /tmp/package/usr/share/sentinel/*.whl) --prefix /opt/warner"
    assert "take another" in shell(box, f"! {SOURCE}/deploy/install.sh --prefix /home/me 2>&1")
    for _ in range(2):
        assert "installed; adapt" in shell(box, install)
        shell(box, "echo '# mine' >> /etc/sentinel/sentinel.yaml; mkdir -p /var/lib/sentinel")
    assert shell(box, "grep -c mine /etc/sentinel/sentinel.yaml") == "2\n"
    assert shell(box, "sentinel --version").startswith("sentinel ")
    assert "/opt/warner/bin/sentinel run" in shell(box, "systemctl show -P ExecStart sentinel")
    assert "watch the configured sources" in shell(box, "cat /usr/local/share/man/man1/sentinel.1")
    shell(box, f"{SOURCE}/deploy/install.sh --prefix /opt/warner --uninstall")
    left = shell(box, "ls -d /opt/warner /usr/local/bin/sentinel /etc/sentinel /var/lib/sentinel 2>/dev/null || true")
    assert left == "/etc/sentinel\n/var/lib/sentinel\n"


RUNNING = """
sources:
  - {kind: simulate, name: lake, system: lake, ticks_per_second: 20}
"""


def test_the_script_brings_a_running_service_up_to_date_and_keeps_a_copy_of_its_state(
    box: Box, package: Path, tmp_path: Path
) -> None:
    elsewhere = for_another_machine(wheel_of(package, tmp_path), package.parent / "elsewhere")
    # The service runs as a user who does not see the home folder in which this Python may lie.
    python = "PATH=/opt/python/bin:$PATH LD_LIBRARY_PATH=/opt/python/lib"
    install = f"{python} {SOURCE}/deploy/install.sh --wheel /opt/package/elsewhere/{elsewhere.name}"
    shell(box, install)
    drop_in = "/etc/systemd/system/sentinel.service.d"
    found = f"Environment=PYTHONPATH={OTHERS} LD_LIBRARY_PATH=/opt/python/lib"
    shell(box, f"mkdir -p {drop_in}; printf '[Service]\\n{found}\\n' > {drop_in}/found.conf; systemctl daemon-reload")
    box.configure(RUNNING)
    shell(box, "touch /tmp/installed")
    box.run("systemctl", "start", "sentinel")
    wait_for(lambda: box.ticks().get("lake", 0) > 10, PATIENCE, "it judges")
    kernels = "find /var/cache/private/sentinel -name '*.nbi'"
    assert shell(box, kernels), "they are where the service looks for them"
    assert shell(box, f"{kernels} -newer /tmp/installed") == "", "the installation has compiled them"
    first, before = box.show("MainPID"), box.ticks()["lake"]

    box.configure("nonsense: 1\n")
    assert "nonsense" in shell(box, f"! ({install}) 2>&1"), "it says what is wrong"
    assert (box.show("ActiveState"), box.show("MainPID")) == ("active", first), "the old one goes on"
    assert shell(box, "ls /var/backups | grep -c sentinel- || true") == "0\n"

    # Bug: what was compiled before that failed, as on a full disk, stayed root's; then the service could not start.
    box.configure(RUNNING)
    cache = "/var/cache/private/sentinel"
    shell(box, f"mkdir /tmp/cache; mv {cache}/* /tmp/cache")
    assert "File too large" in shell(box, f"! (ulimit -f 100; {install}) 2>&1"), "larger kernels are not written"
    assert shell(box, f"find {cache} -name '*.nbi'")
    assert shell(box, f"find {cache} -user root") == ""
    shell(box, f"rm -r {cache}/*; mv /tmp/cache/* {cache}")

    said = shell(box, install)
    assert "brought up to date and started again" in said
    kept = said.rpartition(": ")[2].strip()
    assert (box.show("ActiveState"), box.show("NRestarts")) == ("active", "0")
    assert box.show("MainPID") != first
    assert box.ticks()["lake"] >= before, "the series goes on"
    series = (
        f"sqlite3.connect('file:{kept}/sentinel.db?mode=ro', uri=True).execute('SELECT name FROM series').fetchall()"
    )
    assert shell(box, f'{python} /opt/sentinel/bin/python -c "import sqlite3; print({series})"') == "[('lake',)]\n"
    assert shell(box, f"stat -c %a {kept}") == "700\n"
