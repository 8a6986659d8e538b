"""Kill a daemon at random moments under load: `python -m tests.studies.endurance.kill --kills 200 --write`.

The kills are shared by the sources csv, mqtt (a real Mosquitto), push and sql (a real PostgreSQL). Meanwhile somebody
writes, publishes, sends or inserts. At the end the journal is compared with what was sent, the states that the daemon
noted on its way with those of a replay of the journal, and of csv also with those of a daemon that nobody killed.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sentinel.config import Settings
from sentinel.journal import Journal, group_joined
from sentinel.runtime.replica import Replica
from sentinel.text.claims import body_of
from tests.deploy.programs import free_address
from tests.e2e.running import PATIENCE, Running, observations, rows_of, wait_for, write_config
from tests.fixtures import digests_of, events_of
from tests.pipeline.streams import ar1
from tests.studies.endurance.senders import KINDS, Feeder, Row, sender
from tests.studies.page import ENDURANCE, lines_of, when_and_on_what, write_section

SERIES = 4
TICKS_PER_KILL = 1_500
HOUR = 3_600
START = 1_262_304_000
EVERY = 5
"""One kill of so many comes while the daemon still starts."""


def data(ticks: int) -> list[Row]:
    """Give four series that slow down and recover again and again; a gap empties two of them."""
    values = ar1(20, np.where(np.arange(ticks) % 600 < 350, 0.9, -0.3), ticks, SERIES).tolist()
    return [
        (f"s{s}", START + HOUR * t, value)
        for t, row in enumerate(values)
        for s, value in enumerate(row)
        if not (s % 2 and 2_000 < t < 2_300)
    ]


@dataclass
class Found:
    """What came of the kills of one source."""

    kind: str
    starting: int = 0
    """Kills before the daemon was ready."""
    alive: list[float] = field(default_factory=list)
    """Seconds from ready to the other kills."""
    waiting: list[int] = field(default_factory=list)
    """Observations that were being sent, or had been sent and were not committed, at each kill."""
    progress: list[int] = field(default_factory=list)
    """Observations in the journal after each kill."""
    observations: int = 0
    lost: int = 0
    doubled: int = 0
    states: int = 0
    """Digests of the state of a series that the daemon noted on its way."""
    differing: int = 0
    """Those of them that a replay of the journal gives otherwise, and alarms likewise."""
    alarms: int = 0
    untold: int = 0
    """Events that receivers were not told, or were told without their having been kept."""
    broken: int = 0
    """Kills after which something was gone that had been committed or acknowledged before."""

    @property
    def is_sound(self) -> bool:
        """True if nothing is lost, doubled or different."""
        return not (self.lost or self.doubled or self.differing or self.untold or self.broken)


def kill_often(kind: str, kills: int, seed: int, folder: Path) -> Found:
    """Let a daemon read from a source, kill it so many times, and look at what is there in the end."""
    chance, found, listen = random.Random(f"{kind} {seed}"), Found(kind), free_address()
    rows = data(TICKS_PER_KILL * (kills + 1))
    with sender(kind, folder, listen, chance) as to:
        configure(folder, to.source, listen)
        introduce(folder)
        feeder = Feeder(to, rows, chance)
        try:
            for n in range(kills):
                kill_once(n, feeder, found, chance, folder)
            feeder.may_send = len(rows)
        finally:
            feeder.close()
        rows, tried = rows[: feeder.sent], rows[: feeder.tried]
        daemon = Running(folder)
        try:
            daemon.ready()
            wait_for_all(folder, len(rows))
            daemon.stop()
        finally:
            daemon.kill()
        source = to.source
    compare(folder, rows, tried, found)
    if kind == "csv":
        straight = uninterrupted(folder, source, len(rows))
        found.differing += len(states(folder) ^ states(straight)) + len(alarms(folder) ^ alarms(straight))
    return found


def introduce(folder: Path) -> None:
    """Let the daemon reach its source once: a broker keeps messages only for those whom it knows."""
    daemon = Running(folder)
    try:
        daemon.ready()
        wait_for(lambda: daemon.metric('sentinel_source_up{source="lake"}') == 1, PATIENCE, "the source")
    finally:
        daemon.kill()


def wait_for_all(folder: Path, number: int) -> None:
    """Wait until the journal has so many observations, as long as it grows."""
    while (kept := observations(folder)) < number:
        wait_for(
            lambda was=kept: observations(folder) > was, PATIENCE, f"more than {kept:,} of {number:,} observations"
        )
        time.sleep(0.1)


def kill_once(n: int, feeder: Feeder, found: Found, chance: random.Random, folder: Path) -> None:
    """Start the daemon and kill it at a random moment; note how far it had come."""
    daemon, before = Running(folder), max(found.progress, default=0)
    share = TICKS_PER_KILL * SERIES
    feeder.may_send = n * share + share // 2
    if (n + 1) % EVERY:
        daemon.said("msg=ready ")
        feeder.may_send += share // 2
        began = time.monotonic()
        time.sleep(chance.uniform(0.02, 1.2))
        while observations(folder) <= before and time.monotonic() < began + PATIENCE:
            time.sleep(0.02)  # a machine with much to do has not come to it yet
        if n % 2:
            feeder.is_sending.wait(1.0)  # a fast machine is nearly always done with what was sent
        found.alive.append(time.monotonic() - began)
    else:
        time.sleep(chance.uniform(0.2, 2.5))
        found.starting += 1
    tried, arrived = feeder.tried, feeder.sent
    daemon.kill()
    kept = observations(folder)
    found.broken += kept < max(before, arrived if found.kind == "push" else 0)
    found.waiting.append(max(tried - arrived, tried - kept))
    found.progress.append(kept)


def configure(folder: Path, source: dict[str, Any], listen: str) -> None:
    """Write a configuration by which states are noted every 100 ticks, and checkpoints written all the time."""
    write_config(
        folder, sources=[{"name": "lake"} | source], series=[{"match": "s0", "cadence": "1h"}],
        daemon={"state_dir": "state", "digest_every_ticks": 100, "checkpoint_every": "200ms"}, web={"listen": listen},
        alarms=[{"threshold": 0.5, "alpha": 0.001, "at_start": "alarm"}],
    )  # fmt: skip


def compare(folder: Path, rows: list[Row], tried: list[Row], found: Found) -> None:
    """Compare the journal with what was sent, and what the daemon noted with a replay of the journal.

    What was tried last and not answered may be there or not.
    """
    kept = Counter(
        (name.removesuffix("/v"), at_us // 1_000_000, value) for name, at_us, value in rows_of(folder / "state")
    )
    found.observations = kept.total()
    found.lost = len(set(rows) - kept.keys())
    found.doubled = kept.total() - len(kept) + len(kept.keys() - set(tried))
    noted, events = states(folder), alarms(folder)
    replayed, again = replay(folder)
    found.states, found.alarms = len(noted), len(events)
    found.differing = len(noted ^ replayed) + len(events ^ again)
    lines = (folder / "notifications.jsonl").read_text().splitlines()
    found.untold = len({json.loads(line)["key"] for line in lines} ^ {json.loads(event)["id"] for event in events})


def states(folder: Path) -> set[tuple[int, int, str]]:
    """Give the digests that the daemon noted: series, tick, digest."""
    with Journal.open(folder / "state", read_only=True) as journal:
        return set(digests_of(journal))


def alarms(folder: Path) -> set[str]:
    """Give the events that the daemon kept, but for the names of its settings that it adds."""
    with Journal.open(folder / "state", read_only=True) as journal:
        kept = events_of(journal)
    assert len({event["id"] for event in kept}) == len(kept)
    own = {"settings", "raised_from"}
    return {json.dumps({key: event[key] for key in event if key not in own}, sort_keys=True) for event in kept}


def replay(folder: Path) -> tuple[set[tuple[int, int, str]], set[str]]:
    """Give the digests and events of a replay of the journal from its beginning."""
    replica, events = Replica(Settings()), set()
    with Journal.open(folder / "state", read_only=True) as journal:
        for joined in group_joined(journal.tail(0)):
            result = replica.apply(*joined)
            events |= {json.dumps(body_of(event), sort_keys=True) for event in result.events}
    return set(replica.digests), events


def uninterrupted(folder: Path, source: dict[str, Any], number: int) -> Path:
    """Let a daemon that nobody kills read the same file."""
    straight = folder / "straight"
    straight.mkdir()
    (straight / "data.csv").symlink_to(folder / "data.csv")
    configure(straight, source, "127.0.0.1:0")
    daemon = Running(straight)
    try:
        daemon.ready()
        wait_for_all(straight, number)
        daemon.stop()
    finally:
        daemon.kill()
    return straight


HEADING = "Killed"
TEXT = """\
Written by `python -m tests.studies.endurance.kill --kills 200 --write`: a daemon is killed (SIGKILL) at random moments
while somebody appends to its file, publishes to a Mosquitto, posts to it, or inserts into a PostgreSQL; every fifth
kill comes while it starts. Four series slow down and recover again and again. At the end the journal is to hold what
was sent, each observation once, and nothing that had been committed, or answered with 200, may ever have been gone. The
states of the series, noted every 100 ticks, and the alarms are to be bit for bit those of a replay of the journal, and
for csv also those of a daemon that nobody killed. *Waiting* is what was being sent, or had been sent and was not
committed, when it was killed; every second kill comes while something is being sent.
"""
HEAD = """\
| source | kills | in start | alive before, s | waiting, median (most) | observations | lost | doubled | gone again \
| states | events | differing | untold | when, where |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"""


def row_of(found: Found, seed: int) -> str:
    """Write a row of the table."""
    alive, waiting = found.alive, found.waiting
    cells = (
        found.kind, len(found.progress), found.starting, f"{min(alive):.2f} to {max(alive):.2f}",
        f"{statistics.median(waiting):,.0f} ({max(waiting):,})", f"{found.observations:,}", found.lost, found.doubled,
        found.broken, f"{found.states:,}", f"{found.alarms:,}", found.differing, found.untold,
        f"seed {seed}, {when_and_on_what()}",
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def main() -> int:
    """Kill, compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="of all sources together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    asked = parser.parse_args()
    lines, is_sound = [], True
    for kind in asked.kinds:
        with tempfile.TemporaryDirectory() as folder:
            found = kill_often(kind, asked.kills // len(asked.kinds), asked.seed, Path(folder))
        is_sound = is_sound and found.is_sound
        lines.append(row_of(found, asked.seed))
        print(lines[-1], flush=True)
        if asked.write:
            known = lines_of(ENDURANCE, HEADING) | {kind: lines[-1]}
            write_section(ENDURANCE, HEADING, "\n".join([TEXT, HEAD, *(known[one] for one in KINDS if one in known)]))
    return not is_sound


if __name__ == "__main__":
    sys.exit(main())
