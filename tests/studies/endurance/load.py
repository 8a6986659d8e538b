"""Send 10,000 series once a second by remote write, then ever more: `python -m tests.studies.endurance.load --write`.

A daemon in a process of its own takes what this one sends: ten requests a second, each of a tenth of the series, over
four connections. Once a second its metrics are read. In the end the number of series is raised until it does not hold.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import httpx
import numpy as np
import psutil
from cramjam import snappy

from sentinel.domain.clock import MICROSECONDS, Clock
from tests.deploy.programs import free_address
from tests.e2e.running import PATIENCE, Running, wait_for, write_config
from tests.studies.endurance.slope import Slope
from tests.studies.page import ENDURANCE, lines_of, when_and_on_what, write_section

REQUESTS, CONNECTIONS = 10, 4
"""Requests a second, and connections."""
AGE = 2.5
"""Seconds that the end of the newest closed tick lies back at most: half a tick, the lateness of one, and one more."""
FULL_SECONDS = 1_100
"""From then on nothing more is to be filled: pictures are full after 1,024 ticks, the cache of SQLite earlier."""
MIB = 1 << 20


class Body:
    """Messages of remote write of some series; only values and times differ from one to the next."""

    def __init__(self, names: list[str]) -> None:
        entries = []
        for name in names:
            pairs = (("__name__", "load"), ("series", name))
            labels = b"".join(_part(1, _part(1, key.encode()) + _part(2, text.encode())) for key, text in pairs)
            entries.append(_part(1, labels + _part(2, b"\x09" + b"\0" * 8 + b"\x10" + b"\0" * 6)))
        self._rows = np.frombuffer(b"".join(entries), np.uint8).reshape(len(entries), -1).copy()
        width = self._rows.shape[1]
        self._value, self._time = slice(width - 15, width - 7), slice(width - 6, width)

    def at(self, second: int, values: np.ndarray) -> bytes:
        """Give the compressed message of one second."""
        ms = second * 1_000
        self._rows[:, self._value] = values.view(np.uint8).reshape(-1, 8)
        self._rows[:, self._time] = [ms >> 7 * n & 0x7F | (0x80 if n < 5 else 0) for n in range(6)]
        return bytes(snappy.compress_raw(self._rows.tobytes()))


def now() -> float:
    """Give the seconds since 1970, which is what is sent as the time."""
    return Clock().now_us() / MICROSECONDS


def _part(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


@dataclass
class Seen:
    """What was seen while it ran."""

    series: int
    seconds: int
    sent: int = 0
    refused: int = 0
    """Requests that were answered with 503 and sent again."""
    times: list[float] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    """Resident, MiB."""
    waiting: list[float] = field(default_factory=list)
    """Observations that waited in the inbox."""
    descriptors: list[int] = field(default_factory=list)
    cores: float = 0.0
    """Processor time of the daemon by time."""
    shares: dict[str, float] = field(default_factory=dict)
    """Of the time, the part that the engine's thread spent in each stage."""
    late: float = 0.0
    missing: float = 0.0
    took: float = 0.0

    @property
    def rate(self) -> float:
        """Observations a second that were taken."""
        return self.sent / self.took

    @property
    def behind(self) -> int:
        """Times that the newest closed tick was more than one tick older than it has to be."""
        return sum(age > AGE + 1.0 for age in self.ages)

    @property
    def holds(self) -> bool:
        """True if everything came, and no tick was late by more than one."""
        return not self.behind and not self.late and not self.missing


def figures(text: str) -> dict[str, float]:
    """Read the metrics that are looked at."""
    wanted = re.findall(r"^(sentinel_\w+(?:\{(?:source|task)=\"\w+\"\})?) (\S+)$", text, re.MULTILINE)
    return {name: float(number) for name, number in wanted}


def press(series: int, seconds: int) -> Seen:
    """Run a daemon and send it so many series once a second, for so long."""
    seen, lock = Seen(series, seconds), Lock()
    chance, listen = np.random.default_rng(series), free_address()
    names = [f"s{n:07d}" for n in range(series)]
    bodies = [Body(names[n::REQUESTS]) for n in range(REQUESTS)]
    with tempfile.TemporaryDirectory() as folder, httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        write_config(
            Path(folder), sources=[{"name": "load", "kind": "push"}], web={"listen": listen},
            series=[{"cadence": "1s", "lateness": "1s"}],
        )  # fmt: skip
        daemon = Running(Path(folder))
        try:
            daemon.ready()
            process = psutil.Process(daemon.process.pid)
            wait_for(lambda: daemon.metric('sentinel_source_up{source="load"}') == 1, PATIENCE, "the source")

            def send(body: bytes) -> None:
                while True:
                    answer = client.post(f"http://{listen}/api/v1/write", content=body)
                    if answer.status_code == 204:
                        break
                    assert answer.status_code == 503, answer.text
                    with lock:
                        seen.refused += 1
                    time.sleep(0.2)
                with lock:
                    seen.sent += series // REQUESTS

            def look() -> None:
                found, at = figures(client.get(f"http://{listen}/metrics").text), now()
                seen.times.append(at - began)
                seen.ages.append(at - found.get('sentinel_source_last_tick_timestamp_seconds{source="load"}', at))
                seen.memory.append(process.memory_info().rss / MIB)
                seen.waiting.append(found["sentinel_inbox_observations"])
                seen.descriptors.append(process.num_fds())

            first = figures(client.get(f"http://{listen}/metrics").text)
            spent, began = sum(process.cpu_times()[:2]), now()
            start = int(began) + 1
            with ThreadPoolExecutor(CONNECTIONS) as senders, ThreadPoolExecutor(1) as looker:
                for tick in range(seconds * REQUESTS):
                    due = start + tick / REQUESTS
                    time.sleep(max(0.0, due - now()))
                    if now() > began + seconds + 5.0:
                        break
                    n = tick % REQUESTS
                    values = chance.normal(20.0, 3.0, len(names[n::REQUESTS]))
                    body = bodies[n].at(start + tick // REQUESTS, values)
                    while senders._work_queue.qsize() > CONNECTIONS:
                        time.sleep(0.002)  # whoever sends waits, too
                    senders.submit(send, body)
                    if n == REQUESTS - 1:
                        looker.submit(look)
                seen.took = now() - began
            seen.cores = (sum(process.cpu_times()[:2]) - spent) / (now() - began)
            last = figures(client.get(f"http://{listen}/metrics").text)
            gone = {key: last[key] - first.get(key, 0.0) for key in last}
            for key, number in gone.items():
                if stage := re.fullmatch(r'sentinel_stage_duration_seconds_sum\{task="(\w+)"\}', key):
                    seen.shares[stage[1]] = number / seen.took
            seen.shares["turn"] = gone["sentinel_engine_turn_duration_seconds_sum"] / seen.took
            seen.late = gone['sentinel_observations_late_total{source="load"}']
            seen.missing = gone['sentinel_missing_ticks_total{source="load"}']
            daemon.stop()
        finally:
            daemon.kill()
    return seen


HEADING = "Sent too much"
TEXT = """\
Written by `python -m tests.studies.endurance.load --write`: a daemon on two cores is sent so many series once a second
by remote write, in ten requests a second over four connections; `lateness` is 1s, `/metrics` with 1,000 series is read
once a second, and the sender is on the same machine. *Age* is that of the end of the newest closed tick, 2.5 s where
nothing waits; beyond 3.5 s a tick is late by more than one. Memory: its slope with its 95 % interval from 1,100 s on,
when pictures and the cache of SQLite are full. *Refused* are requests answered with 503, that the sender then repeats.
The number of series is raised until it does not hold any more: then the engine's thread is busy all the time, with
what its column says, and the sender is held back, as an answer comes only when its observations are on disk. The time
of that thread includes waiting for a processor where other programs run, too.

The rows are from before checkpoints were written a part each turn. Since then 10,000 series were sent once for 660 s
(2026-11-30, AMD EPYC, 2 cores): no look of 660 was too late, the largest age was 2.8 s, 0.42 cores.
"""
HEAD = """\
| series | for | taken a second | age, median (most), s | too late | late, missing | memory, MiB | slope, MiB a minute \
| inbox, most | refused | cores | engine's thread, of the time | when, where |
|---|---|---|---|---|---|---|---|---|---|---|---|---|"""


def row_of(seen: Seen) -> str:
    """Write a row of the table."""
    settled = [n for n, at in enumerate(seen.times) if at > FULL_SECONDS]
    slope: object = "-"
    if len(settled) > 300:
        slope = Slope.of([seen.times[n] / 60 for n in settled], [seen.memory[n] for n in settled])
    stages = sorted(((share, name) for name, share in seen.shares.items() if name != "turn"), reverse=True)
    told = ", ".join(f"{name} {share:.0%}" for share, name in stages[:3])
    cells = (
        f"{seen.series:,}", f"{seen.seconds} s", f"{seen.rate:,.0f}",
        f"{np.median(seen.ages):.1f} ({max(seen.ages):.1f})", f"{seen.behind} of {len(seen.ages)}",
        f"{seen.late:,.0f}, {seen.missing:,.0f}", f"{seen.memory[0]:.0f} to {seen.memory[-1]:.0f}", slope,
        f"{max(seen.waiting):,.0f}", seen.refused, f"{seen.cores:.2f}", f"{seen.shares['turn']:.0%}: {told}",
        when_and_on_what(),
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def main() -> int:
    """Send, print, write; 1 if the first number of series did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=FULL_SECONDS + 600)
    parser.add_argument("--more", type=int, default=10_000, help="so many more series in each further run; 0 = none")
    parser.add_argument("--for", type=int, default=60, help="seconds of each further run", dest="seconds_more")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    first = seen = press(asked.series, asked.seconds)
    while True:
        row = row_of(seen)
        print(row, flush=True)
        if asked.write:
            lines = lines_of(ENDURANCE, HEADING) | {f"{seen.series:,}": row}
            ordered = [lines[name] for name in sorted(lines, key=lambda name: int(name.replace(",", "")))]
            write_section(ENDURANCE, HEADING, "\n".join([TEXT, HEAD, *ordered]))
        if not asked.more or not seen.holds:
            return not first.holds
        seen = press(seen.series + asked.more, asked.seconds_more)


if __name__ == "__main__":
    sys.exit(main())
