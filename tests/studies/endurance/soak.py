"""Run a daemon for 72 simulated hours with faults: `python -m tests.studies.endurance.soak --write`.

Its clock goes several hundred times as fast as the machine's. 800 series are pushed once a simulated minute, 200 are in
a file that grows, two come from a server that answers as Prometheus does. Now and then a source is down, data come
late, are corrected or are no data, the file is rotated, the settings are reloaded. In the first quarter the daemon is
killed or stopped three times; in the rest of the time, one process, memory and descriptors are watched.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import numpy as np
import psutil
import yaml

from sentinel.domain.clock import MICROSECONDS
from tests.deploy.programs import free_address
from tests.e2e.running import PATIENCE, START_SECONDS, wait_for
from tests.sources.answering import Answering, answer_range, answering, send
from tests.studies.endurance.slope import Slope
from tests.studies.page import ENDURANCE, when_and_on_what, write_section

HOURS = 72
PUSHED, WRITTEN = 800, 200
START = 1_700_000_000 // 3_600 * 3_600
MIB = 1 << 20
FAULTS_EVERY = 60
"""Minutes from one fault to the next."""
RESTARTS = {6 * 60: signal.SIGKILL, 12 * 60: signal.SIGTERM, 18 * 60: signal.SIGKILL}
"""By the simulated minute."""


@dataclass
class Seen:
    """What was seen each quarter of a simulated hour, of the last process."""

    hours: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    journal: list[float] = field(default_factory=list)
    """Size in use, and of the file with its log, MiB."""
    file: list[float] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    unanswered: int = 0
    """Requests that had to be sent again."""
    counts: dict[str, float] = field(default_factory=dict)
    verified: str = ""


class Soak:
    """A daemon under a fast clock, its sources, and what befalls them."""

    def __init__(self, folder: Path, server: Answering, seconds_a_minute: float) -> None:
        self.folder, self.server, self.seen = folder, server, Seen()
        self._pace, self.minute = seconds_a_minute, 0
        self._listen = free_address()
        self._client = httpx.Client(base_url=f"http://{self._listen}", trust_env=False, timeout=PATIENCE)
        self._chance = np.random.default_rng(12)
        self._held: list[tuple[int, np.ndarray]] = []
        """Minutes that were not sent yet."""
        self._silent_until = self._away_until = 0
        self._file = folder / "station.csv"
        self._configure(1e-4)
        self._begin_file()
        self.began = time.monotonic()
        self._process: psutil.Popen | None = None
        self._start()

    def _configure(self, alpha: float) -> None:
        config = {
            "daemon": {
                "state_dir": "state", "retention": "12h", "retention_bytes": "256MiB", "checkpoint_every": "5s",
            },
            "web": {"listen": self._listen},
            "sources": [
                {"kind": "push", "name": "sent"},
                {"kind": "csv", "name": "station", "path": "station.csv", "every": "100ms"},
                {"kind": "prometheus", "name": "asked", "url": self.server.url, "queries": ["ph"], "every": "1s",
                 "step": "1m", "since": "1h", "timeout": "2s"},
            ],
            "series": [{"match": "*", "cadence": "1m", "lateness": "2m"}],
            "alarms": [{"threshold": 0.8, "alpha": alpha}, {"kind": "slower", "false_alarms": "1 per 1y"}],
            "notify": [{"kind": "log", "path": "notifications.jsonl"}],
        }  # fmt: skip
        (self.folder / "sentinel.yaml").write_text(yaml.safe_dump(config))

    def _start(self) -> None:
        script = Path(__file__).with_name("fast_daemon.py")
        arguments = ["sentinel.yaml", str(START * MICROSECONDS), repr(self.began), repr(60 / self._pace)]
        with (self.folder / "log.txt").open("ab") as log:
            self._process = psutil.Popen([sys.executable, str(script), *arguments], cwd=self.folder, stderr=log)
        wait_for(self._answers, START_SECONDS, "the daemon")

    def _answers(self) -> bool:
        assert self._process is None or self._process.poll() is None, (self.folder / "log.txt").read_text()[-2_000:]
        try:
            return self._client.post("/api/v1/observations", json=[]).status_code == 200
        except httpx.TransportError:
            return False

    def run(self, minutes: int) -> None:
        """Let so many minutes pass."""
        faults = (self.silence, self.delay, self.correct, self.rotate, self.send_nonsense, self.take_away, self.reload)
        while self.minute < minutes:
            time.sleep(max(0.0, self.began + self.minute * self._pace - time.monotonic()))
            if self.minute % FAULTS_EVERY == FAULTS_EVERY - 1:
                fault = faults[self.minute // FAULTS_EVERY % len(faults)]
                fault()
                self._note(fault.__name__)
            if self.minute in RESTARTS:
                self.restart(RESTARTS[self.minute])
            self.pass_a_minute()
            if self.minute % 15 == 0 and self.minute > max(RESTARTS):
                self.look()
            self.minute += 1

    def pass_a_minute(self) -> None:
        """Send and write what was measured in this minute."""
        values = self._chance.normal(10.0, 1.0, PUSHED + WRITTEN)
        self._held.append((self.minute, values[:PUSHED]))
        if self.minute >= self._silent_until:
            for minute, of in self._held:
                self.post([(f"p{n}", minute, float(value)) for n, value in enumerate(of)])
            self._held.clear()
        if self.minute >= self._away_until:
            self.server.answer = answer_range
            if not self._file.exists():
                self._begin_file()
            with self._file.open("a") as file:
                file.write(self._line(self.minute, values[PUSHED:]))

    def _begin_file(self) -> None:
        self._file.write_text("time," + ",".join(f"c{n}" for n in range(WRITTEN)) + "\n")

    def _line(self, minute: int, values: np.ndarray) -> str:
        stamp = np.datetime64(START + 60 * minute, "s")
        return f"{stamp}Z,{','.join(f'{value:.3f}' for value in values)}\n"

    def post(self, rows: list[tuple[str, int, float]]) -> None:
        """Send these until it is answered that they are on disk."""
        body = json.dumps([{"series": s, "time": START + 60 * minute, "value": value} for s, minute, value in rows])
        while True:
            answer = self._client.post(
                "/api/v1/observations", content=body, headers={"content-type": "application/json"}
            )
            if answer.status_code == 200:
                break
            self.seen.unanswered += 1
            time.sleep(0.1)
        self.seen.sent += len(rows)

    def silence(self) -> None:
        """Send nothing for half an hour; then all of it comes."""
        self._silent_until = self.minute + 30

    def delay(self) -> None:
        """Send values of twenty minutes ago that are new: of times between two others."""
        self.post([(f"p{n}", self.minute - 20, 10.5) for n in range(100)])

    def correct(self) -> None:
        """Send other values for times that have some."""
        self.post([(f"p{n}", self.minute - 5 - back, 10.0) for n in range(20) for back in range(5)])

    def rotate(self) -> None:
        """Rename the file; another one begins."""
        self._file.rename(self._file.with_suffix(".csv.1"))
        self._begin_file()

    def send_nonsense(self) -> None:
        """Send what is no data."""
        for body in (b"\0\xff", b'{"series": "p1", "time": "never", "value": 1e999}', b"[[[", b"x" * 100_000):
            self._client.post("/api/v1/observations", content=body, headers={"content-type": "application/json"})

    def take_away(self) -> None:
        """Let the file be gone for an hour, and the server answer 503."""
        self._away_until = self.minute + 45
        self._file.unlink()

        def refuse(handler: BaseHTTPRequestHandler, _: object) -> None:
            send(handler, 503, b"")

        self.server.answer = refuse

    def reload(self) -> None:
        """Change a budget and read the settings again."""
        self._configure(1e-4 if self.minute // FAULTS_EVERY % 2 else 2e-4)
        self._process.send_signal(signal.SIGHUP)

    def restart(self, how: signal.Signals) -> None:
        """End the daemon and start it again."""
        self._process.send_signal(how)
        self._process.wait(START_SECONDS)
        self._start()
        self._note(how.name)

    def _note(self, fault: str) -> None:
        self.seen.faults[fault] = self.seen.faults.get(fault, 0) + 1

    def look(self) -> None:
        """Read metrics and a page, and see what the process holds."""
        text, seen = self._client.get("/metrics").text, self.seen
        assert self._client.get("/").status_code == 200
        found = dict(re.findall(r"^(sentinel_\w+(?:\{source=\"\w+\"\})?) (\S+)$", text, re.MULTILINE))
        seen.hours.append(self.minute / 60)
        seen.memory.append(self._process.memory_info().rss / MIB)
        seen.descriptors.append(self._process.num_fds())
        seen.journal.append(float(found["sentinel_journal_bytes"]) / MIB)
        seen.file.append(sum(path.stat().st_size for path in (self.folder / "state").glob("sentinel.db*")) / MIB)
        seen.counts = {name: float(number) for name, number in found.items()}

    def end(self) -> None:
        """Stop it, and let its state be verified."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(START_SECONDS) == 0, (self.folder / "log.txt").read_text()[-2_000:]
        command = [sys.executable, "-m", "sentinel", "state", "verify", "--state", str(self.folder / "state")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.seen.verified = done.stdout.strip().splitlines()[-1].partition(": ")[2] if done.stdout else done.stderr
        assert done.returncode == 0, done

    def close(self) -> None:
        """End the process, whatever has happened."""
        if self._process.is_running():
            self._process.kill()
            self._process.wait()
        self._client.close()


HEADING = "Run for days"
TEXT = f"""\
Written by `python -m tests.studies.endurance.soak --write`: a daemon whose clock goes faster, with {PUSHED} series that
are pushed once a simulated minute, {WRITTEN} in a file that grows, and two of a server. Every simulated hour one of
seven things happens: nothing is sent for half an hour and then all at once, values come twenty minutes late, are
corrected, or are no data, the file is rotated, file and server are gone for 45 minutes, the settings are reloaded.
After 6 and 18 hours it is killed, after 12 stopped; from then on it is one process. `retention` is 12h.
"""


def describe(seen: Seen, minutes: int, took: float) -> str:
    """Write what was seen."""
    settled = [n for n, hour in enumerate(seen.hours) if hour > seen.hours[0] + (seen.hours[-1] - seen.hours[0]) / 4]

    def line(what: str, values: list[float], unit: str) -> str:
        slope = Slope.of([seen.hours[n] for n in settled], [values[n] for n in settled])
        first, last = values[settled[0]], values[settled[-1]]
        return f"| {what} | {first:,.1f} {unit} | {last:,.1f} {unit} | {max(values):,.1f} {unit} | {slope} |"

    def counted(name: str) -> float:
        found = (number for key, number in seen.counts.items() if key.startswith(f"sentinel_{name}"))
        return sum(found)

    faults = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in seen.faults.items())
    counts = {
        "observations late": "observations_late_total", "revised": "observations_revised_total",
        "ticks missing": "missing_ticks_total", "fetches failed": "source_fetch_failures_total",
        "checkpoints failed": "checkpoint_failures_total",
    }  # fmt: skip
    told = ", ".join(f"{what} {counted(name):,.0f}" for what, name in counts.items())
    rows = (
        line("resident memory", seen.memory, "MiB"), line("open descriptors", [float(n) for n in seen.descriptors], ""),
        line("journal, in use", seen.journal, "MiB"), line("journal, its files", seen.file, "MiB"),
    )  # fmt: skip
    return "\n".join((
        f"{minutes / 60:g} hours in {took / 60:.1f} minutes; {seen.sent:,} observations pushed, {seen.unanswered} "
        f"requests sent twice. What happened: {faults}. Of the last process: {told}.",
        f"`sentinel state verify` at the end: {seen.verified}.", "",
        f"| from hour {seen.hours[settled[0]]:.0f} on | then | at the end | most | slope an hour, 95 % interval |",
        "|---|---|---|---|---|", *rows, "", f"{when_and_on_what()}.",
    ))  # fmt: skip


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=HOURS, help="simulated")
    parser.add_argument("--pace", type=float, default=0.12, help="seconds of one simulated minute")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, answering() as server:
        soak = Soak(Path(folder), server, asked.pace)
        try:
            soak.run(round(asked.hours * 60))
            soak.end()
        finally:
            soak.close()
    text = describe(soak.seen, soak.minute, time.monotonic() - began)
    print(*(f"{memory:.1f}" for memory in soak.seen.memory[::8]), text, flush=True)
    if asked.write:
        write_section(ENDURANCE, HEADING, f"{TEXT}\n{text}")


if __name__ == "__main__":
    main()
