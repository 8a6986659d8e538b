"""The daemon: it starts, restores its state, starts the sources, turns until it is told to stop, and ends in order.

Signals only set flags. SIGTERM and SIGINT end it after the present turn, with a checkpoint. SIGHUP reads the
configuration again: what is wrong is refused and the old settings stay; the sections `daemon` and `web` change at a
restart, all others at a turn's border, sources once everything that the old ones gave is in the journal. systemd hears
READY once the state is restored, the page answers and the sources have begun, WATCHDOG from the engine's turns only.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from types import FrameType

import polars as pl

from sentinel import config
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import ConfigError, StateError
from sentinel.domain.metrics import Metrics
from sentinel.domain.spans import duration_in_words
from sentinel.journal import Journal
from sentinel.notify import Receiver, make_receiver
from sentinel.runtime import logs, pictures
from sentinel.runtime.amender import Amender
from sentinel.runtime.control import ControlSocket
from sentinel.runtime.engine import Engine
from sentinel.runtime.inbox import Inbox
from sentinel.runtime.kernels import compile_unless, needs_of
from sentinel.runtime.memory import give_back
from sentinel.runtime.pushing import Pushing
from sentinel.runtime.scheduler import Schedule
from sentinel.runtime.systemd import MORE_TIME, ServiceManager, describe
from sentinel.sources import PullSource, Push, PushSource, Source, make_sources
from sentinel.sources.claims import look_at, shared_series
from sentinel.views.prometheus import Exposition
from sentinel.views.web import Access, Guard, WebServer, create_app

logger = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
"""Bound on the wait of an idle turn for a frame; the engine beats at least this often."""
SUPERVISE_SECONDS = 10.0
AT_RESTART = ("daemon", "web")
"""Sections that the running daemon keeps as it read them at its start."""
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

    def __init__(
        self, settings: config.Settings, *, clock: Clock | None = None, path: Path | None = None,
        metrics: Metrics | None = None, explain: Callable[[Path, str], str] | None = None,
    ) -> None:  # fmt: skip
        self._settings, self._path, self._clock = settings, path, clock or Clock()
        self.metrics = metrics or Metrics()
        self._stop = self._hangup = False
        self._coming: tuple[config.Settings, list[Source]] | None = None
        """New settings with other sources, which wait until what the old ones gave is in the journal."""
        self.restart_required: tuple[str, ...] = ()
        """Sections that were changed in the configuration and are not in force."""
        self._manager = ServiceManager()
        self.hanging = False
        """A source, or the compiler, was still at work when everything else had ended."""
        self._journal = Journal.open(settings.daemon.state_dir)
        self._inbox = Inbox(settings.daemon.inbox_observations)
        self.engine = Engine(
            settings, self._journal, self._inbox, self.metrics, self._clock, _receivers(settings),
            threads=os.cpu_count() or 1,
            acknowledge=lambda source, cursor: self._pushing.acknowledge(source, cursor),
        )  # fmt: skip
        self._pushing = Pushing(self._inbox, self.engine.sources, self.metrics, self._clock)
        self._schedule: Schedule | None = None
        self._exposition = Exposition(
            lambda: self.engine.snapshot,
            self.metrics,
            settings.web,
            self.engine.outbox.open_alarms,
            self.engine.outbox.just_ended,
        )
        access = Access(
            snapshot=lambda: self.engine.snapshot, sources=lambda: tuple(self.engine.sources.values()),
            not_ready=self._why_not_ready, metrics=self._expose,
            settings_text=lambda: config.settings_text(self.engine.settings),
            events=lambda: self.engine.events, observations=self._observations,
            state_dir=str(settings.daemon.state_dir.absolute()), history_series=settings.web.history_series,
            restart_required=lambda: self.restart_required,
            is_ending=lambda: self._stop, drill=lambda: self.engine.drill.view,
            failures=lambda: self.engine.outbox.failures(),
            explain=explain and (lambda alarm: explain(settings.daemon.state_dir.absolute(), alarm)),
        )  # fmt: skip
        self._push: Push | None = None
        self._guard = _guard(settings.web)
        app = create_app(access, self._clock, settings.web, self._pushed, self.engine.ask, self._guard)
        self.web = WebServer(app, settings.web, self._guard)
        drill = self.engine.drill
        drill.launch = lambda job: self._schedule.once(job) if self._schedule else None
        self._control = ControlSocket(settings.daemon.state_dir, lambda of: drill.ask(of) or self.engine.ask(of))
        self._amender = Amender(settings.daemon.state_dir, self.engine.note_amended)
        self._note_loaded()
        self._require_restart(())

    def _why_not_ready(self, *, begun: bool = False) -> list[str]:
        """Say why it is not ready; `begun` = but for sources that have not answered and a journal that is stopped."""
        now, beat = self._clock.now_us(), -1
        if self._schedule is not None:
            beat = now - int((monotonic() - self._schedule.last_beat) * MICROSECONDS)
        ids = map(config.identity, self._settings.sources)
        statuses = list(filter(None, map(self.engine.sources.get, ids)))
        return why_not_ready(
            now, restored=self.engine.restored, stopping=self._stop, scheduler_beat_us=beat,
            engine_beat_us=self.engine.last_beat_us, stopped_by="" if begun else self.engine.stopped_by,
            silent_sources=[status.name for status in statuses if not (begun or status.has_answered)],
        )  # fmt: skip

    def _pushed(self) -> Push | None:
        """Give the source that takes what is sent, None before it is started; LookupError where there is none."""
        if self._push is None and not any(isinstance(source, config.PushSource) for source in self._settings.sources):
            raise LookupError("no source of kind push is configured")
        return self._push

    @contextmanager
    def _observations(self, series: str) -> Iterator[Iterator[pl.DataFrame]]:
        """Open what the journal keeps of a series, beside the engine, which writes to it."""
        with Journal.open(self._settings.daemon.state_dir, read_only=True) as journal:
            yield journal.observations(series)

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
        give_back()
        try:
            self.web.start()
            logger.info("serving", extra={"address": self.web.address})
            stopped = self._stopped_while("compiling, as at each first start")
            if not compile_unless(stopped, needs_of(self._settings)):
                self.hanging = True
                return
            self.engine.restore(self._stopped_while("restoring the state"), self._take_back_pictures)
            if self._stop:
                return
            self._start_sources(make_sources(self._settings.sources, self._clock))
            self._control.start()
            look_at = monotonic() + SUPERVISE_SECONDS
            while not self._stop:
                self.engine.turn(IDLE_SECONDS)
                on_turn()
                self._tell_manager()
                if self._schedule is not None:
                    self._schedule.follow_clock()
                if monotonic() >= look_at:
                    self._supervise()
                    look_at = monotonic() + SUPERVISE_SECONDS
                if self._hangup:
                    self._hangup = False
                    self._reload()
                if self._coming is not None and self.engine.is_idle():
                    self._take_over(*self._coming)
        finally:
            self._end()

    def _stopped_while(self, doing: str) -> Callable[[], bool]:
        """Return a question whether to stop, which tells systemd what takes so long, and that it goes on."""
        self._manager.say(doing)

        def stopped() -> bool:
            if self._manager.is_due():
                self._manager.beat(doing, MORE_TIME)
            return self._stop

        return stopped

    def _tell_manager(self) -> None:
        """Tell systemd once that the daemon is ready, and from then on that it turns."""
        is_ready = self._manager.is_told_ready
        if not (self._manager.is_due() if is_ready else self._has_begun()):
            return
        doing = describe(self.engine.snapshot, self._why_not_ready(), self.engine.waiting())
        if not is_ready:
            self._manager.ready(doing)
            logger.info("ready", extra={"series": len(self.engine.snapshot)})
        self._manager.beat(doing)

    def _take_back_pictures(self, batch: int) -> None:
        pictures.load(self.engine.history, self._settings.daemon.state_dir, batch, self.engine.state.names)

    def _has_begun(self) -> bool:
        """Say whether it has begun: a source that hangs must not end the others, nor a full disk what is shown."""
        return not self._why_not_ready(begun=True)

    def _start_sources(self, sources: Sequence[Source]) -> None:
        self._push = next((each for each in sources if isinstance(each, Push)), None)
        claims = look_at(sources)
        for line in shared_series(sources, claims):
            logger.error(line)
        self.engine.expect(claims)
        self._pushing = Pushing(self._inbox, self.engine.sources, self.metrics, self._clock)
        self._pushing.start((each for each in sources if isinstance(each, PushSource)), self._journal.cursors())
        self._start_schedule(sources)

    def _stop_sources(self) -> None:
        self._push = None
        pushing_ended = self._pushing.stop(1.0)
        schedule_ended = self._schedule is None or self._schedule.stop(1.5)
        self.hanging = self.hanging or not (schedule_ended and pushing_ended)

    def _start_schedule(self, sources: Iterable[Source]) -> None:
        pulled = [each for each in sources if isinstance(each, PullSource)]
        self._schedule = Schedule(
            pulled, self._inbox, self._journal.cursors(), self.engine.sources, self.metrics, self._clock
        )
        self._schedule.start()

    def _supervise(self) -> None:
        """Replace a scheduler whose thread has died, as the cursors are in the journal; look for new certificates.

        Series whose values were corrected are computed anew, elsewhere.
        """
        self._amender.look(self.engine.corrected, self.engine.amended, self.engine.state)
        if self._guard is not None:
            self._guard.refresh()
        if self._coming is None and self._schedule is not None and not self._schedule.alive():
            logger.error("the scheduler's thread has died or hangs; starting another")
            self.metrics.scheduler_replacements.inc()
            self._schedule.stop(0.0)
            self._start_schedule(make_sources(self._settings.sources, self._clock))

    def _reload(self) -> None:
        self._manager.say("reading the configuration again", "RELOADING=1")
        self.metrics.config_reloads.inc()
        try:
            read = config.with_events(config.load(self._path, _log_notice)) if self._path else self._settings
            settings = read.model_copy(update={key: getattr(self._settings, key) for key in AT_RESTART})
            sources = make_sources(settings.sources, self._clock)
        except ConfigError as error:
            self.metrics.config_last_reload_successful.set(0)
            self.metrics.config_reload_failures.inc()
            logger.error("configuration not reloaded; the old one stays", extra={"why": str(error)})
            self._manager.ready("the last configuration was refused; see the log")
            return
        changed = [key for key in AT_RESTART if getattr(read, key) != getattr(self._settings, key)]
        self._require_restart(changed)
        if settings.log != self._settings.log:
            logs.set_up(settings.log.level, settings.log.format, self.metrics)
        if self._coming is not None or settings.sources != self._settings.sources:
            # What they gave is taken in first; the new ones then go on at the cursors of the journal.
            self._stop_sources()
            self._coming = settings, sources
            self._manager.say("waiting until all that the old sources gave is in the journal")
        else:
            self._take_over(settings)

    def _take_over(self, settings: config.Settings, sources: Sequence[Source] | None = None) -> None:
        """Put these settings in force, with new sources where there are other ones."""
        self._coming = None
        needs = needs_of(settings)
        if needs != needs_of(self._settings) and not compile_unless(self._turn_meanwhile, needs):
            self.hanging = True
            return
        receivers = _receivers(settings) if settings.notify != self._settings.notify else None
        self.engine.reload(settings, receivers)
        self._settings = settings
        if sources is not None:
            self._start_sources(sources)
        self._note_loaded()
        logger.info("configuration reloaded", extra={"settings": config.fingerprint(settings)})
        self._manager.ready(describe(self.engine.snapshot, (), self.engine.waiting()))

    def _require_restart(self, sections: Iterable[str]) -> None:
        """Show which sections of the configuration are not in force, wherever somebody may look."""
        self.restart_required = tuple(sections)
        for key in AT_RESTART:
            self.metrics.config_restart_required.set(key in self.restart_required, reason=key)
        if self.restart_required:
            logger.warning("these sections change at a restart", extra={"sections": ", ".join(self.restart_required)})

    def _turn_meanwhile(self) -> bool:
        """Go on watching while what the new configuration needs is compiled; tell if the daemon was stopped."""
        self.engine.turn(0.0)
        if self._manager.is_due():
            self._manager.beat("compiling what the new configuration needs")
        return self._stop

    def _note_loaded(self) -> None:
        self.metrics.config_last_reload_successful.set(1)
        self.metrics.config_last_reload_success.set(self._clock.now_us() / MICROSECONDS)

    def _end(self) -> None:
        self._stop = True
        self._manager.say("stopping: the state is saved", "STOPPING=1")
        self._control.close()
        self._inbox.close()
        self._stop_sources()
        try:
            if self.engine.restored:
                self._save()
                self.engine.flush(1.0)
        finally:
            self.web.stop()
            self._journal.close()
            logger.info("stopped")

    def _save(self) -> None:
        try:
            self.engine.checkpoint()
            if sys.exception() is None:  # else a turn broke off, with pictures ahead of the state or behind it
                last = max(self._journal.checkpoints.batches())
                pictures.save(self.engine.history, self._settings.daemon.state_dir, last)
        except StateError as error:
            logger.error("no checkpoint at the end; the next start replays the journal", extra={"why": str(error)})


def _guard(web: config.WebSettings) -> Guard | None:
    if web.config_file is not None:
        return Guard(web.config_file)
    if not config.is_loopback(web.address[0]):
        logger.warning("everybody on the network can read the page: no web.config_file", extra={"listen": web.listen})
    return None


def _receivers(settings: config.Settings) -> dict[str, Receiver]:
    return {sink.name: make_receiver(sink, settings.web.labels) for sink in settings.notify}


def _log_notice(line: str) -> None:
    logger.warning("an old key in the configuration", extra={"notice": line})


def main(args: argparse.Namespace, explain: Callable[[Path, str], str] | None = None) -> int:
    """Run the daemon until it is told to stop: `sentinel run CONFIG`."""
    path = Path(args.config)
    notices: list[str] = []
    settings = config.with_events(config.load(path, notices.append))
    metrics = Metrics()
    logs.set_up(settings.log.level, settings.log.format, metrics)
    daemon = Daemon(settings, path=path, metrics=metrics, explain=explain)
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
