"""Every shipped alert, made to fire once by the fault that it names.

The daemon and Prometheus are real, the rules the shipped ones. Only waiting is compressed:
`for` to a second, and every range to a twentieth.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from time import sleep
from typing import Any

import httpx
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from tests.deploy.programs import ask, eventually, free_address, program, running
from tests.e2e.running import PATIENCE, Running, long_csv, wait_for, write_config
from tests.pipeline.streams import ar1

pytestmark = pytest.mark.slow

TICKS, ROUGHER = 2400, 1500
SHORTER = 20
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
FROM_THE_START = {
    "SentinelResilienceLoss", "SentinelOvershooting", "SentinelOscillation", "SentinelSpreadRisen", "SentinelCritical",
    "SentinelSiteAlarm", "SentinelSeriesBlind", "SentinelSeriesUnexposed", "SentinelNotificationsFailing",
    "SentinelReadingsFailing", "SentinelDrill", "SentinelDrillOverdue",
}  # fmt: skip


def compress(text: str) -> str:
    """The rules with shorter waits; nothing else is changed."""
    seconds = {"s": 1, "m": 60, "h": 3600}
    text = re.sub(r"\[(\d+)([smh])\]", lambda of: f"[{int(of[1]) * seconds[of[2]] // SHORTER}s]", text)
    return re.sub(r"^( +for:) \w+", r"\1 1s", text, flags=re.MULTILINE)


def signals() -> NDArray[np.float64]:
    """A column for each claim: slow, overshooting, swinging, rougher than before, slow again."""
    noise = np.random.default_rng(1).normal(size=(TICKS, 2))
    swing = np.zeros(TICKS)
    for t in range(2, TICKS):
        swing[t] = 2 * 0.95 * np.cos(2 * np.pi / 8) * swing[t - 1] - 0.95**2 * swing[t - 2] + noise[t, 0]
    rough = noise[:, 1] * np.where(np.arange(TICKS) < ROUGHER, 1.0, 5.0)
    return np.column_stack([ar1(1, 0.95, TICKS), ar1(2, -0.95, TICKS), swing, rough, ar1(3, 0.95, TICKS)])


QUIET = ("stuck", "torn", "late", "lost", "gone", "long")
"""Sources without a signal."""
RULES = [
    {"match": "lake/s0", "threshold": 0.5, "alpha": 0.001, "at_start": "alarm"},
    {"match": "lake/s1", "threshold": -0.5, "side": "below", "alpha": 0.001, "at_start": "alarm"},
    {"match": "lake/s2", "kind": "modulus", "threshold": 0.5, "alpha": 0.001, "at_start": "alarm"},
    {"match": "lake/s3", "kind": "spread", "ratio": 1.5, "alpha": 0.001},
    {"match": "lake/s4", "threshold": 0.5, "alpha": 0.001, "at_start": "alarm", "severity": "critical"},
    *(
        {"match": f"{name}/s0", "threshold": 0.97, "alpha": 1e-4}
        for name in ("stuck", "torn", "late", "lost", "gone", "long")
    ),
]


@dataclass
class Upstream:
    """A server that is asked as Prometheus is, and can be made to take requests without ever answering."""

    url: str = ""
    hangs: Event = field(default_factory=Event)
    released: Event = field(default_factory=Event)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A server on loopback."""
    state = Upstream()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if state.hangs.is_set():
                state.released.wait()
            body = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": []}}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            with suppress(BrokenPipeError):  # who asked has gone
                self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    state.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def prometheus(deploy: Path, tool: Callable[[str], str], tmp_path: Path) -> Iterator[tuple[httpx.Client, str]]:
    """A client of a Prometheus with the compressed rules, and the address that it scrapes every second."""
    daemon, listen, folder = free_address(), free_address(), tmp_path / "prometheus"
    folder.mkdir()
    config = yaml.safe_load((deploy / "prometheus" / "scrape.yaml").read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": [daemon]}]
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "rules.yaml").write_text(compress((deploy / "prometheus" / "rules.yaml").read_text()))
    command = [
        tool("prometheus"), f"--config.file={folder / 'config.yaml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={listen}", "--log.level=warn",
    ]  # fmt: skip
    with ExitStack() as stack:
        stack.enter_context(running(command, folder / "output"))
        yield stack.enter_context(httpx.Client(base_url=f"http://{listen}", trust_env=False, timeout=10)), daemon


@dataclass
class Watch:
    """What Prometheus says of alerts, and which have fired."""

    client: httpx.Client
    fired: set[str] = field(default_factory=set)

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        try:
            found = ask(self.client, "query", query='ALERTS{alertstate="firing"}')
        except httpx.TransportError:
            return set()
        return {alert["metric"]["alertname"] for alert in found}

    @contextmanager
    def expecting(self, *names: str) -> Iterator[None]:
        """A fault is made inside; these alerts do not fire before it, and fire after it."""
        assert not self.firing() & set(names), "fires without its fault"
        yield
        self.wait(*names)

    def wait(self, *names: str) -> None:
        """Wait until all of these have fired."""
        missing = set(names)

        def all_fired() -> bool:
            missing.difference_update(self.firing())
            return not missing

        eventually(all_fired, 2 * PATIENCE, lambda: f"did not fire: {sorted(missing)}")
        self.fired |= set(names)


@contextmanager
def frozen(pid: int, thread: str) -> Iterator[None]:
    """One thread of a process stands still, the others go on."""
    spy = program("py-spy")
    dump = subprocess.run([spy, "dump", "--pid", str(pid), "--json"], capture_output=True, check=True).stdout
    (number,) = [each["os_thread_id"] for each in json.loads(dump) if each["thread_name"] == thread]
    trace = ctypes.CDLL(None).ptrace
    trace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    assert trace(PTRACE_SEIZE, number, None, None) == 0
    assert trace(PTRACE_INTERRUPT, number, None, None) == 0
    yield
    trace(PTRACE_DETACH, number, None, None)


@contextmanager
def limited(pid: int, what: int, most: int) -> Iterator[None]:
    """A limit of the process is lowered for a while."""
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most, before[1]))
    yield
    resource.prlimit(pid, what, before)


def csv(name: str, **more: Any) -> dict[str, Any]:
    return {"kind": "csv", "name": name, "path": f"{name}.csv", "prefix": f"{name}/", "every": "1s"} | more


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_each_alert_fires_by_the_fault_that_it_names(
    tmp_path: Path, prometheus: tuple[httpx.Client, str], upstream: Upstream, alerts: list[dict[str, Any]]
) -> None:
    client, address = prometheus
    watch, sound = Watch(client), ar1(9, 0.3, 100, 1)
    slow = {"kind": "prometheus", "name": "slow", "url": upstream.url, "queries": ["up"], "every": "1s"}
    slow |= {"timeout": "10m"}
    settings: dict[str, Any] = {
        "daemon": {"state_dir": "state", "inbox_observations": 1000, "checkpoint_every": "10s"},
        "web": {"listen": address, "max_series": 2},
        "sources": [*(csv(name, max_observations=100) for name in ("lake", *QUIET)), slow],
        "alarms": RULES,
        "sites": [{"name": "site", "match": "lake/*", "k": 2}],
        # Where nobody listens.
        "notify": [{"kind": kind, "url": f"http://{free_address()}/"} for kind in ("webhook", "remote_write")],
        "drill": {"every": "30s", "timeout": "3s", "keep": "15s"},
    }  # fmt: skip
    write_config(tmp_path, **settings)
    (tmp_path / "lake.csv").write_text(long_csv(signals()))
    (tmp_path / "stuck.csv").write_text(long_csv(np.append(ar1(4, 0.3, 300, 1), np.ones((300, 1)), axis=0)))
    for name in ("torn", "late", "lost", "gone", "long"):
        (tmp_path / f"{name}.csv").write_text(long_csv(sound))
    daemon = Running(tmp_path).ready()
    try:
        watch.wait(*FROM_THE_START)
        operational = {alert["alert"] for alert in alerts} - FROM_THE_START
        eventually(lambda: not watch.firing() & operational, PATIENCE, lambda: f"without a fault: {watch.firing()}")

        with watch.expecting(
            "SentinelObservationsRejected", "SentinelObservationsLate", "SentinelFileLost", "SentinelSourceDown",
            "SentinelTaskFailing", "SentinelTaskMissed", "SentinelBehind",
        ):  # fmt: skip
            append(tmp_path / "torn.csv", "".join(f"2021-01-{day:02}T00:00Z,s0,oops\n" for day in range(1, 29)))
            append(tmp_path / "late.csv", "".join(f"2020-01-02T{hour:02}:20Z,s0,1.5\n" for hour in range(24)))
            (tmp_path / "new.csv").write_text(long_csv(sound, 200))
            (tmp_path / "new.csv").replace(tmp_path / "lost.csv")
            (tmp_path / "gone.csv").unlink()
            append(tmp_path / "long.csv", long_csv(ar1(5, 0.3, 50_000, 1), 100, header=False))
            upstream.hangs.set()

        with watch.expecting("SentinelSeriesUnwatched"):
            append(tmp_path / "torn.csv", "2021-02-01T00:00Z,s1,1.5\n")
        with watch.expecting("SentinelConfigReloadFailed"):
            append(tmp_path / "sentinel.yaml", "nonsense: 1\n")
            daemon.signal(signal.SIGHUP)
        with watch.expecting("SentinelConfigRestartRequired", "SentinelNotReady"):
            deaf = slow | {"name": "deaf", "queries": ["vector(1)"]}  # it neither answers nor fails
            changed = {"web": settings["web"] | {"max_series": 3}, "sources": [*settings["sources"], deaf]}
            write_config(tmp_path, **settings | changed)
            daemon.signal(signal.SIGHUP)
        write_config(tmp_path, **settings)
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: daemon.metric("sentinel_ready") == 1, PATIENCE, "ready again")
        watch.wait("SentinelSourceStale")  # of the server that answers no more

        pid = daemon.process.pid
        with watch.expecting("SentinelDescriptorsScarce"), ExitStack() as stack:
            # The fewest of five seconds: one look may count files that are open for a moment only, and a limit above
            # those is not 80 % used. Of 17, 14 are more than 80 %.
            used = min(sleep(0.1) or len(os.listdir(f"/proc/{pid}/fd")) for _ in range(50))  # noqa: PTH208
            stack.enter_context(limited(pid, resource.RLIMIT_NOFILE, used + 3))
            watch.wait("SentinelDescriptorsScarce")

        wait_for(lambda: daemon.metric('sentinel_source_catching_up{source="long"}') == 0, PATIENCE, "all is read")
        stopped = ("SentinelIngestionStopped", "SentinelCommitsFailing", "SentinelBacklog")
        with watch.expecting(*stopped), ExitStack() as stack:
            (tmp_path / "state").rename(tmp_path / "away")
            stack.callback((tmp_path / "away").rename, tmp_path / "state")
            append(tmp_path / "long.csv", long_csv(ar1(5, 0.3, 5_000, 1), 55_000, header=False))
            watch.wait(*stopped)

        with watch.expecting("SentinelSchedulerStalled"), frozen(pid, "APScheduler"):
            watch.wait("SentinelSchedulerStalled")
        with watch.expecting("SentinelEngineStalled"), frozen(pid, "MainThread"):
            watch.wait("SentinelEngineStalled")

        with watch.expecting("SentinelRestarting"):
            for _ in range(3):
                daemon.kill()
                daemon = Running(tmp_path)
                daemon.said("msg=ready ")
                started = f"process_start_time_seconds > {daemon.metric('process_start_time_seconds') - 1}"
                eventually(lambda query=started: ask(client, "query", query=query), PATIENCE, lambda: "not scraped")
        with watch.expecting("SentinelDown"):
            daemon.kill()
        assert watch.fired == {alert["alert"] for alert in alerts}
    finally:
        daemon.kill()
