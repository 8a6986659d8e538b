"""`sentinel demo`: the main job, visible. The real daemon on four series, time accelerated by the sources' own clocks.

A lake that is loaded with nutrients until it tips; the same lake, not loaded; and two real series: atmospheric CO2
(trend and season) and El Nino's sea surface temperature (persistently slow, so its rule stands at 0.95).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import numpy as np

from sentinel.commands.output import folder_for, writing
from sentinel.commands.replay import Replayed, replayed
from sentinel.config import Settings
from sentinel.domain.events import AlarmEvent
from sentinel.domain.spans import Cadence
from sentinel.domain.spelling import moment_in_words
from sentinel.pipeline.pipeline import Batch, Pipeline
from sentinel.runtime import logs
from sentinel.runtime.daemon import Daemon
from sentinel.simulate import Simulated, simulate
from sentinel.views.picture import write
from sentinel.views.terminal import Facts, Live

LOADED, CONTROL, CO2, ELNINO = "lake", "lake control", "co2", "elnino"
SYSTEMS = {LOADED: "lake", CONTROL: "lake_control", CO2: "co2", ELNINO: "elnino"}
SOURCES = {LOADED: "nutrients-added", CONTROL: "left-alone", CO2: "mauna-loa", ELNINO: "nino-1-2"}
"""Names of the sources: what the series are."""
ALARMS = [
    {"match": "lake*", "threshold": 0.7, "alpha": 1e-4},
    {"match": CO2, "threshold": 0.8, "alpha": 1e-4},
    {"match": ELNINO, "threshold": 0.95, "alpha": 1e-4},
]
PLAYED_SECONDS = {False: 30.0, True: 2.0}
"""How long the playback takes: watched, and headless. A first start compiles for half a minute before."""
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the demo showed."""

    tip_us: int
    warned_us: int | None
    """First alarm of the loaded lake."""
    others: tuple[str, ...]
    """Series other than the loaded lake that alarmed."""
    cadence_us: int

    @property
    def good(self) -> bool:
        """The lake was warned before it tipped, and no control alarmed."""
        return self.warned_us is not None and self.warned_us < self.tip_us and not self.others

    def text(self) -> str:
        """The summary in words."""
        lines, tip = [], f"tipped on {moment_in_words(self.tip_us)}"
        if self.warned_us is None:
            lines.append(f"The loaded lake {tip}. It was NOT warned.")
        else:
            ticks = (self.tip_us - self.warned_us) // self.cadence_us
            before = f"{ticks} ticks (days) before" if ticks > 0 else f"{-ticks} ticks (days) AFTER"
            lines.append(f"The loaded lake was warned on {moment_in_words(self.warned_us)},\n{before} it {tip}.")
        lines.append(
            f"Alarms on the controls: {', '.join(self.others)}." if self.others
            else "The lake that was not loaded, co2 and elnino had no alarm."
        )  # fmt: skip
        return "\n".join(lines)


def settings_for(folder: Path, seed: int, seconds: float) -> Settings:
    """The demo's configuration: four sources that all end after about `seconds`."""
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
            "series": [
                {"match": CO2, "season": ["1y"]},
                {"match": ELNINO, "season": ["1y"]},
            ],
            "alarms": ALARMS,
            "sites": [{"name": "both-lakes", "match": "lake*"}],
            "notify": [{"kind": "log", "path": str(folder / "notifications.jsonl")}],
        }
    )  # fmt: skip


def judged(events: Iterable[AlarmEvent], lake: Simulated, loaded: str, controls: tuple[str, ...]) -> Verdict:
    """What the alarms mean for a lake whose tip is known."""
    first: dict[str, int] = {}
    for event in events:
        if event.what == "raised":
            first.setdefault(event.series, event.time_us)
    assert lake.tip_us is not None
    return Verdict(
        lake.tip_us, first.get(loaded), tuple(name for name in controls if name in first),
        Cadence.parse(lake.cadence).microseconds,
    )  # fmt: skip


def main(args: argparse.Namespace) -> int:
    """Run the demo; 1 if the lake was not warned in time or a control alarmed."""
    with tempfile.TemporaryDirectory(prefix="sentinel-demo-") as temporary:
        folder = folder_for(Path(args.keep), "--keep") if args.keep else Path(temporary)
        settings = settings_for(folder, args.seed, PLAYED_SECONDS[args.headless])
        lake = simulate(SYSTEMS[LOADED], args.seed)
        daemon = Daemon(settings)
        logs.set_up("error", "logfmt", daemon.metrics)
        print(f"serving {daemon.web.address}/", flush=True)
        _play(daemon, settings, args.seed, headless=args.headless, linger=args.linger)
        shown = replayed(settings.daemon.state_dir)
        verdict = judged(shown.events, lake, LOADED, (CONTROL, CO2, ELNINO))
        # First: a folder that cannot be written hides the picture, not how it went.
        print(verdict.text(), flush=True)
        picture = _saved_picture(shown, Path(args.keep) if args.keep else Path.cwd(), args.seed)
        print(f"The stability spectrogram of the loaded lake is in\n{picture}")
        return 0 if verdict.good else 1


def _play(daemon: Daemon, settings: Settings, seed: int, *, headless: bool, linger: float) -> None:
    """Run the daemon until every series has been played, showing it meanwhile."""
    lengths = {s.name: len(simulate(s.system, seed).values) for s in settings.sources if s.kind == "simulate"}
    ends_at, began, rate, done = monotonic() + PATIENCE_SECONDS, 0.0, 0.0, False

    def played() -> bool:
        return all(
            daemon.sources[name].received + daemon.sources[name].rejected >= length
            for name, length in lengths.items()
        )  # fmt: skip

    def facts(note: str) -> Facts:
        return Facts(daemon.web.address, rate, note)

    watched = not headless and sys.stdout.isatty()
    with Live(enabled=watched) as live:
        # The first turn comes after the kernels are compiled: half a minute in front of an empty terminal.
        live.show(daemon.snapshot, facts("Starting. The first start on a machine compiles for some seconds."))

        def on_turn() -> None:
            nonlocal began, done, ends_at, rate
            now = monotonic()
            began = began or now
            accepted = sum(daemon.sources[name].accepted for name in lengths)
            if not done:
                rate = accepted / max(now - began, 1.0)
                if played():
                    done, ends_at = True, now + linger
                    if linger and not watched:
                        print(_stays(linger), flush=True)
            note = f"{accepted:,.0f} of {sum(lengths.values()):,} observations played; it ends by itself."
            live.show(daemon.snapshot, facts(_stays(max(0.0, ends_at - now)) if done else note))
            if now >= ends_at:
                daemon.stop()
            sleep(0.02)

        try:
            daemon.run(on_turn)
        except KeyboardInterrupt:
            # Who has seen enough of the page is told how it went.
            if not done:
                raise


def _stays(seconds: float) -> str:
    return f"All played. The page stays for {seconds:,.0f} s more; Ctrl-C ends it."


def _saved_picture(shown: Replayed, folder: Path, seed: int) -> Path:
    path = folder / f"sentinel-demo-{seed}.png"
    with writing(path):
        write(shown.figure(LOADED, "A lake that is loaded with nutrients"), path, "png")
    return path


def lakes(seeds: range) -> dict[int, Verdict]:
    """The verdict on the lakes of many seeds and their controls, all in one pipeline with the demo's rules."""
    names = [f"{name} {seed}" for seed in seeds for name in (LOADED, CONTROL)]
    records = [simulate(SYSTEMS[name], seed) for seed in seeds for name in (LOADED, CONTROL)]
    pipeline = Pipeline(Settings.model_validate({"alarms": ALARMS}))
    batch = Batch(
        np.repeat(np.arange(len(names)), [record.values.size for record in records]),
        np.concatenate([record.times_us for record in records]),
        np.concatenate([record.values for record in records]),
        tuple((number, name, "") for number, name in enumerate(names)),
    )
    state, taken = pipeline.advance(pipeline.init(), batch)
    _, ended = pipeline.finish(state)
    return {
        seed: judged([*taken.events, *ended.events], record, f"{LOADED} {seed}", (f"{CONTROL} {seed}",))
        for seed, record in zip(seeds, records[::2], strict=True)
    }
