"""The daemon: it starts, restores its state, starts the sources, turns until it is told to stop, and ends in order.

Signals only set flags. SIGTERM and SIGINT end it after the present turn, with a checkpoint. SIGHUP reads the
configuration again: what is wrong is refused and the old settings stay; series, banks, alarms change at a turn's
border, everything else at a restart. systemd hears READY once the state is restored and the first turn is done,
WATCHDOG from the engine's turns only.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic, monotonic_ns
from types import FrameType

from sentinel.config import PushSource as PushSettings
from sentinel.config import Settings, fingerprint, identity, load
from sentinel.config.secrets import hide_queries
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import ConfigError, StateError
from sentinel.domain.metrics import Metrics
from sentinel.domain.spans import duration_in_words
from sentinel.journal import Journal
from sentinel.notify import make_notifier
from sentinel.runtime import logs
from sentinel.runtime.control import ControlSocket
from sentinel.runtime.engine import Engine
from sentinel.runtime.inbox import Inbox
from sentinel.runtime.kernels import compile_unless
from sentinel.runtime.scheduler import Pushing, Schedule
from sentinel.sources import PullSource, Push, PushSource, Source, make_sources
from sentinel.sources.claims import look_at, shared_series
from sentinel.views.prometheus import Exposition
from sentinel.views.web import Access, WebServer, create_app

logger = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
"""Bound on the wait of an idle turn for a frame; the engine beats at least this often."""
WATCHDOG_SECONDS = 5.0
SUPERVISE_SECONDS = 10.0
BEAT_WITHIN_US = 10 * MICROSECONDS
"""A thread that has not shown a sign of life for this long counts as stopped."""


def why_not_ready(
    now_us: int, *, restored: bool, stopping: bool, scheduler_beat_us: int, engine_beat_us: int,
    silent_sources: Iterable[str] = (), stopped_by: str = "",
) -> list[str]:  # fmt: skip
    """Say in one sentence each why the daemon is not ready; none if it is. Times in microseconds, -1 = never.

    `silent_sources` have neither been fetched nor failed once; `stopped_by` is why the journal cannot be written.
    """
    found = ["stopping"] if stopping else []
    if not restored:
        found.append("state is not restored yet")
    if stopped_by:
        found.append(f"ingestion stopped: {stopped_by}")
    found += [f"source {name} has neither answered nor failed yet" for name in silent_sources]
    for who, beat_us in (("scheduler", scheduler_beat_us), ("engine", engine_beat_us)):
        if beat_us < 0:
            found.append(f"{who} has not started")
        elif now_us - beat_us > BEAT_WITHIN_US:
            silence = duration_in_words(round((now_us - beat_us) / MICROSECONDS))
            found.append(f"{who} gave no sign of life for {silence}")
    return found


class Daemon:
    """One running daemon."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None, path: Path | None = None) -> None:
        self._settings, self._path, self._clock = settings, path, clock or Clock()
        self.metrics = Metrics()
        self._stop = self._hangup = False
        self.hanging = False
        """A source, or the compiler, was still at work when everything else had ended."""
        self._journal = Journal.open(settings.daemon.state_dir)
        self._inbox = Inbox(settings.daemon.inbox_observations)
        sinks = {sink.name: make_notifier(sink, settings.web.labels) for sink in settings.notify}
        self.engine = Engine(
            settings, self._journal, self._inbox, self.metrics, self._clock, sinks, threads=os.cpu_count() or 1,
            acknowledge=lambda source, cursor: self._pushing.acknowledge(source, cursor),
        )  # fmt: skip
        self._pushing = Pushing(self._inbox, self.engine.sources, self.metrics, self._clock)
        self._schedule: Schedule | None = None
        self._exposition = Exposition(lambda: self.engine.snapshot, self.metrics, settings.web)
        access = Access(
            snapshot=lambda: self.engine.snapshot, sources=lambda: tuple(self.engine.sources.values()),
            not_ready=self._why_not_ready, metrics=self._expose,
            settings_text=lambda: hide_queries(self.engine.settings.model_dump_json(indent=2)),
            events=lambda: self.engine.events, state_dir=str(settings.daemon.state_dir),
        )  # fmt: skip
        self._push: Push | None = None
        is_pushed_to = any(isinstance(source, PushSettings) for source in settings.sources)
        pushed = (lambda: self._push) if is_pushed_to else None
        self.web = WebServer(create_app(access, self._clock, settings.web, pushed), settings.web)
        self._control = ControlSocket(settings.daemon.state_dir, self.engine.ask)
        self._note_loaded()

    def _why_not_ready(self) -> list[str]:
        now, beat = self._clock.now_us(), -1
        if self._schedule is not None:
            beat = now - int((monotonic() - self._schedule.last_beat) * MICROSECONDS)
        statuses = [self.engine.sources[identity(source)] for source in self._settings.sources]
        return why_not_ready(
            now, restored=self.engine.restored, stopping=self._stop, scheduler_beat_us=beat,
            engine_beat_us=self.engine.last_beat_us, stopped_by=self.engine.stopped_by,
            silent_sources=[status.name for status in statuses if not status.has_answered],
        )  # fmt: skip

    def _expose(self, accept_header: str) -> tuple[bytes, str] | None:
        if not self.engine.restored:
            return None
        self.metrics.ready.set(not self._why_not_ready())
        return self._exposition.render(accept_header)

    def stop(self, *_: object) -> None:
        """End after the present turn."""
        self._stop = True

    def hangup(self, _: int, __: FrameType | None) -> None:
        """Read the configuration again after the present turn."""
        self._hangup = True

    def run(self, on_turn: Callable[[], None] = lambda: None) -> None:
        """Start, turn until told to stop, end in order."""
        try:
            self.web.start()
            logger.info("serving", extra={"address": self.web.address})
            if not compile_unless(lambda: self._stop):
                self.hanging = True
                return
            self.engine.restore(lambda: self._stop)
            if self._stop:
                return
            self._start_sources()
            self._control.start()
            beat_at, look_at = 0.0, monotonic() + SUPERVISE_SECONDS
            while not self._stop:
                self.engine.turn(IDLE_SECONDS)
                on_turn()
                if not beat_at:
                    sd_notify("READY=1", f"STATUS=watching {len(self.engine.snapshot)} series")
                    logger.info("ready", extra={"series": len(self.engine.snapshot)})
                if monotonic() >= beat_at:
                    sd_notify("WATCHDOG=1")
                    beat_at = monotonic() + WATCHDOG_SECONDS
                if monotonic() >= look_at:
                    self._supervise()
                    look_at = monotonic() + SUPERVISE_SECONDS
                if self._hangup:
                    self._hangup = False
                    self._reload()
        finally:
            self._end()

    def _start_sources(self) -> None:
        sources = make_sources(self._settings.sources, self._clock)
        self._push = next((each for each in sources if isinstance(each, Push)), None)
        claims = look_at(sources)
        for line in shared_series(sources, claims):
            logger.error(line)
        self.engine.expect(claims)
        self._pushing.start((each for each in sources if isinstance(each, PushSource)), self._journal.cursors())
        self._start_schedule(sources)

    def _start_schedule(self, sources: Iterable[Source]) -> None:
        pulled = [each for each in sources if isinstance(each, PullSource)]
        self._schedule = Schedule(
            pulled, self._inbox, self._journal.cursors(), self.engine.sources, self.metrics, self._clock
        )
        self._schedule.start()

    def _supervise(self) -> None:
        """Replace a scheduler whose thread has died; the cursors are in the journal."""
        if self._schedule is not None and not self._schedule.alive():
            logger.error("the scheduler's thread has died; starting another")
            self._schedule.stop(0.0)
            self._start_schedule(make_sources(self._settings.sources, self._clock))

    def _reload(self) -> None:
        sd_notify("RELOADING=1")
        self.metrics.config_reloads.inc()
        try:
            settings = load(self._path, _log_notice) if self._path else self._settings
        except ConfigError as error:
            self.metrics.config_last_reload_successful.set(0)
            self.metrics.config_reload_failures.inc()
            logger.error("configuration not reloaded; the old one stays", extra={"why": str(error)})
        else:
            kept = {"sources", "daemon", "web", "log", "notify"}
            fixed = [key for key in sorted(kept) if getattr(settings, key) != getattr(self._settings, key)]
            if fixed:
                logger.warning("these settings change at a restart", extra={"sections": ", ".join(fixed)})
            self.engine.reload(settings.model_copy(update={key: getattr(self._settings, key) for key in kept}))
            self._note_loaded()
            logger.info("configuration reloaded", extra={"settings": fingerprint(settings)})
        sd_notify("READY=1")

    def _note_loaded(self) -> None:
        self.metrics.config_last_reload_successful.set(1)
        self.metrics.config_last_reload_success.set(self._clock.now_us() / MICROSECONDS)

    def _end(self) -> None:
        self._stop = True
        sd_notify("STOPPING=1")
        self._control.close()
        self._inbox.close()
        pushing_ended = self._pushing.stop(1.0)
        if self._schedule is not None:
            self.hanging = not (self._schedule.stop(1.5) and pushing_ended)
        try:
            if self.engine.restored:
                self.engine.checkpoint()
                self.engine.flush(1.0)
        except StateError as error:
            logger.error("no checkpoint at the end; the next start replays the journal", extra={"why": str(error)})
        finally:
            self.web.stop()
            self._journal.close()
            logger.info("stopped")


def sd_notify(*lines: str) -> bool:
    """Send systemd lines such as `READY=1` or `STATUS=...`; `RELOADING=1` with the monotonic time it asks for.

    Gives False where no service manager listens, with a line in the log where one should: a daemon that works does
    not end because its supervisor cannot be reached.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if "RELOADING=1" in lines:
        lines = (*lines, f"MONOTONIC_USEC={monotonic_ns() // 1000}")
    path = "\0" + address[1:] if address.startswith("@") else address  # @ = an abstract socket
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto("\n".join(lines).encode(), path)
    except OSError as error:
        logger.warning("NOTIFY_SOCKET: %s: %s; a datagram socket is needed", address, error.strerror)
        return False
    return True


def _log_notice(line: str) -> None:
    logger.warning("an old key in the configuration", extra={"notice": line})


def main(args: argparse.Namespace) -> int:
    """Run the daemon until it is told to stop: `sentinel run CONFIG`."""
    path = Path(args.config)
    notices: list[str] = []
    settings = load(path, notices.append)
    daemon = Daemon(settings, path=path)
    logs.set_up(settings.log.level, settings.log.format, daemon.metrics)
    for line in notices:
        _log_notice(line)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, daemon.stop)
    signal.signal(signal.SIGHUP, daemon.hangup)
    daemon.run()
    if daemon.hanging:
        # Python would wait for the thread (a dead network file system, the compiler); all that matters is on disk.
        logging.shutdown()
        os._exit(0)
    return 0
