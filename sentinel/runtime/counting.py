"""What the engine counts of its commits, by the names of `metrics.py`."""

from __future__ import annotations

from collections.abc import Sequence

from sentinel.config import Settings
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.observation import Frame
from sentinel.domain.tally import Tally
from sentinel.journal import Committed


def committed(tally: Tally, frame: Frame, found: Committed, took: float, now: float) -> None:
    """A frame was committed at `now`, in `took` seconds."""
    source = frame.source
    tally.observe("sentinel_commit_duration_seconds", took)
    tally.observe("sentinel_stage_duration_seconds", took, task="journal")
    tally.set("sentinel_last_commit_timestamp_seconds", now)
    tally.add("sentinel_observations_received_total", frame.observations.height, source=source)
    tally.add("sentinel_observations_accepted_total", found.series.size, source=source)
    tally.add("sentinel_observations_duplicate_total", found.duplicates, source=source)
    tally.add("sentinel_observations_revised_total", found.revised, source=source)
    for reason, count in frame.rejected.items():
        tally.add("sentinel_observations_rejected_total", count, source=source, reason=reason)
    if found.time_us.size:
        newest = float(found.time_us.max()) / MICROSECONDS
        name = "sentinel_source_last_observation_timestamp_seconds"
        tally.set(name, max(newest, tally.get(name, source=source)), source=source)


def announce(tally: Tally, settings: Settings, rejections: Sequence[str]) -> None:
    """Make the engine's counters visible before they first count."""
    sources = [source.name for source in settings.sources]
    sinks = [sink.name for sink in settings.notify]
    for rule in settings.alarms:
        for what in ("raised", "cleared"):
            labels = {"detector": rule.kind, "threshold": rule.label}
            tally.add(f"sentinel_alarms_{what}_total", 0, **labels)
    for site in settings.sites:
        for what in ("raised", "cleared"):
            tally.add(f"sentinel_site_alarms_{what}_total", 0, series=site.name)
    for name in ("received", "accepted", "duplicate", "revised", "late"):
        for source in sources:
            tally.add(f"sentinel_observations_{name}_total", 0, source=source)
    for source in sources:
        for reason in rejections:
            tally.add("sentinel_observations_rejected_total", 0, source=source, reason=reason)
        for name in ("ticks", "missing_ticks", "gaps"):
            tally.add(f"sentinel_{name}_total", 0, source=source)
    for sink in sinks:
        tally.add("sentinel_notifications_total", 0, sink=sink)
        tally.add("sentinel_notification_failures_total", 0, sink=sink)
    for name in ("commits", "commit_failures", "checkpoints", "checkpoint_failures"):
        tally.add(f"sentinel_{name}_total", 0)
    tally.set("sentinel_ingestion_stopped", 0)
