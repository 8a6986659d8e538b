"""`sentinel demo`: the real daemon at its main job, on four series played faster than they happened.

A lake that is loaded with nutrients until it tips; the same lake, not loaded; and two real series: atmospheric CO2
(trend and season) and El Nino's sea surface temperature (persistently slow, so its rule stands at 0.95).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from sentinel.commands.main import folder_for, writing
from sentinel.commands.replay import replay
from sentinel.config import Settings
from sentinel.domain.errors import UpstreamError
from sentinel.domain.events import AlarmEvent
from sentinel.domain.spans import Cadence, duration_in_words, moment_in_words
from sentinel.runtime import logs
from sentinel.runtime.daemon import Daemon
from sentinel.simulate import Simulated, simulate
from sentinel.views.picture.figure import write
from sentinel.views.terminal import Live

LOADED, CONTROL, CO2, ELNINO = "lake", "lake control", "co2", "elnino"
SYSTEMS = {LOADED: "lake", CONTROL: "lake_control", CO2: "co2", ELNINO: "elnino"}
SOURCES = {LOADED: "nutrients-added", CONTROL: "left-alone", CO2: "mauna-loa", ELNINO: "nino-1-2"}
"""Names of the sources: what the series are."""
PLAYED_SECONDS = {False: 30.0, True: 2.0}
"""Length of the playback: watched, and headless. Before it, a first start compiles for half a minute."""
PATIENCE_SECONDS = 120.0
"""Bound on the length of the playback, on a machine that has other things to do."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of the demo."""

    tip_us: int
    warned_us: int | None
    """First alarm of the loaded lake."""
    critical_us: int | None
    """Its first critical one."""
    others: tuple[str, ...]
    """Series other than the loaded lake that had a critical alarm."""
    warnings: tuple[str, ...]
    """Series other than the loaded lake that had warnings, of which one a year and series is budgeted."""
    cadence_us: int

    @property
    def good(self) -> bool:
        """True if the lake was warned before it tipped, and no control alarmed."""
        return self.warned_us is not None and self.warned_us < self.tip_us and not self.others

    def text(self) -> str:
        """Give the summary in words."""
        tip = f"tipped on {moment_in_words(self.tip_us)}"
        lake = f"The loaded lake {tip}. It was NOT warned."
        if self.warned_us is not None:
            warned = moment_in_words(self.warned_us, self.cadence_us)
            lake = f"The loaded lake was warned on {warned},\n{self._before(self.warned_us)}"
            critically = "never" if self.critical_us is None else self._before(self.critical_us)
            lake += f" it {tip}; critically {critically}."
        others = (
            f"Critical alarms on the controls: {', '.join(self.others)}."
            if self.others
            else ("The lake that was not loaded, co2 and elnino had no critical alarm.")
        )
        warnings = f" Warnings, of which one a year is budgeted: {', '.join(self.warnings)}." if self.warnings else ""
        return f"{lake}\n{others}{warnings}"

    def _before(self, time_us: int) -> str:
        ticks = (self.tip_us - time_us) // self.cadence_us
        return f"{ticks} ticks (days) before" if ticks > 0 else f"{-ticks} ticks (days) AFTER"


def settings_for(folder: Path, seed: int, seconds: float) -> Settings:
    """Make the demo's configuration: four sources that all end after about `seconds`."""
    lengths = {name: len(simulate(system, seed).values) for name, system in SYSTEMS.items()}
    return Settings.model_validate(
        {
            "daemon": {"state_dir": tempfile.mkdtemp(prefix="state-", dir=folder)},
            "log": {"level": "error"},
            "web": {"listen": "127.0.0.1:0"},
            "sources": [
                {
                    "kind": "simulate", "name": SOURCES[name], "system": system, "series": name,
                    "seed": seed, "every": "100ms", "start": "2020-01-01" if "lake" in system else None,
                    "ticks": lengths[name], "ticks_per_second": lengths[name] / seconds,
                }
                for name, system in SYSTEMS.items()
            ],
            "series": [{"match": name, "season": ["1y"]} for name in (CO2, ELNINO)],
            "sites": [{"name": "both-lakes", "match": "lake*"}],
            "notify": [{"kind": "log", "path": str(folder / "notifications.jsonl")}],
        }
    )  # fmt: skip


def judge(events: Iterable[AlarmEvent], lake: Simulated, loaded: str, controls: tuple[str, ...]) -> Verdict:
    """Say what the alarms mean for a lake whose tip is known."""
    first: dict[tuple[str, str], int] = {}
    for event in events:
        if event.what == "raised":
            first.setdefault((event.series, event.severity), event.time_us)
    assert lake.tip_us is not None
    critical, warned = (
        tuple(name for name in controls if (name, severity) in first) for severity in ("critical", "warning")
    )
    alarms = [first.get((loaded, severity)) for severity in ("warning", "critical")]
    earliest = min((time_us for time_us in alarms if time_us is not None), default=None)
    cadence_us = Cadence.parse(lake.cadence).microseconds
    return Verdict(lake.tip_us, earliest, alarms[1], critical, warned, cadence_us)


def main(args: argparse.Namespace) -> int:
    """Run the demo; 1 if the lake was not warned in time or a control alarmed, UpstreamError if it was not played."""
    with tempfile.TemporaryDirectory(prefix="sentinel-demo-") as temporary:
        folder = folder_for(Path(args.keep), "--keep") if args.keep else Path(temporary)
        settings = settings_for(folder, args.seed, PLAYED_SECONDS[args.headless])
        lake = simulate(SYSTEMS[LOADED], args.seed)
        daemon = Daemon(settings)
        logs.set_up("error", "logfmt", daemon.metrics)
        print(f"serving {daemon.web.address}/", flush=True)
        _play(daemon, args.seed, headless=args.headless, linger=args.linger)
        played = replay(settings.daemon.state_dir)
        verdict = judge(played.events, lake, LOADED, (CONTROL, CO2, ELNINO))
        # First: a folder that cannot be written hides the picture, not how it went.
        print(verdict.text(), flush=True)
        picture = (folder if args.keep else Path.cwd()) / f"sentinel-demo-{args.seed}.png"
        with writing(picture):
            write(played.figure(LOADED, "A lake that is loaded with nutrients"), picture, "png")
        print(f"The stability spectrogram of the loaded lake is in\n{picture}")
        return 0 if verdict.good else 1


def _play(daemon: Daemon, seed: int, *, headless: bool, linger: float) -> None:
    """Run the daemon until every series has been played, showing it meanwhile; UpstreamError if it was not in time."""
    lengths = {SOURCES[name]: len(simulate(system, seed).values) for name, system in SYSTEMS.items()}
    watched = not headless and sys.stdout.isatty()
    with Live(enabled=watched) as live:
        playback = _Playback(daemon, lengths, linger, live, is_watched=watched)
        # The first turn comes after the kernels are compiled: half a minute in front of an empty terminal.
        playback.show("Starting. The first start on a machine compiles for some seconds.")
        try:
            daemon.run(playback.on_turn)
        except KeyboardInterrupt:
            # Who has seen enough of the page is told how it went.
            if not playback.done:
                raise
    if not playback.done:
        raise UpstreamError(
            f"the demo was not played: {playback.played:,} of {sum(lengths.values()):,} observations in "
            f"{duration_in_words(PATIENCE_SECONDS)}, and nothing can be said of the lake. This machine has too much "
            "else to do; try again when it has less"
        )


class _Playback:
    """The progress of the demo, and its end. Patience begins with the first turn, when the kernels are compiled."""

    def __init__(
        self, daemon: Daemon, lengths: Mapping[str, int], linger: float, live: Live, *, is_watched: bool
    ) -> None:
        self._daemon, self._lengths, self._linger, self._live = daemon, lengths, linger, live
        self._is_watched = is_watched
        self._began = self._ends_at = self._rate = 0.0
        self.played = 0
        self.done = False

    def show(self, note: str) -> None:
        """Show the series, with a line below."""
        self._live.show(self._daemon.engine.snapshot, self._daemon.web.address, self._rate, note)

    def on_turn(self) -> None:
        """Look how far it is, show it, and end it when its time has come."""
        now = monotonic()
        if not self._began:
            self._began, self._ends_at = now, now + PATIENCE_SECONDS
        if not self.done:
            self._count(now)
        total = f"{sum(self._lengths.values()):,}"
        going = f"{self.played:,} of {total} observations played; it ends by itself."
        self.show(_staying(self._ends_at - now) if self.done else going)
        if now >= self._ends_at:
            self._daemon.stop()
        sleep(0.02)

    def _count(self, now: float) -> None:
        sources = [self._daemon.engine.sources[name] for name in self._lengths]
        self.played = sum(source.received + source.rejected for source in sources)
        self._rate = sum(source.accepted for source in sources) / max(now - self._began, 1.0)
        if all(source.received + source.rejected >= self._lengths[source.name] for source in sources):
            self.done, self._ends_at = True, now + self._linger
            if self._linger and not self._is_watched:
                print(_staying(self._linger), flush=True)


def _staying(seconds: float) -> str:
    return f"All played. The page stays for {duration_in_words(max(1, round(seconds)))} more; Ctrl-C ends it."
