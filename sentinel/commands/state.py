"""`sentinel state`: what is in a state folder, whether it is sound, and copies of it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sentinel.commands.explain import known_alarms
from sentinel.config import Settings, fingerprint, from_record
from sentinel.domain.printing import visible
from sentinel.domain.spans import moment_in_words, moment_iso, print_size
from sentinel.journal import Checkpoint, Journal, JournalForgotten, group_joined
from sentinel.pipeline.codec import digest
from sentinel.runtime.replica import Replica


def inspect_main(args: argparse.Namespace) -> int:
    """Say what is in a state folder."""
    folder = Path(args.state)
    with Journal.open(folder, read_only=True) as journal:
        series, cursors, recorded = journal.series(), journal.cursors(), journal.settings()
        alarms, checkpoint = known_alarms(journal), journal.checkpoints.load()
        size = journal.retention.size_bytes()
    settings = fingerprint(from_record(recorded["settings"], lambda _line: None)) if recorded else None
    facts = {
        "folder": str(folder), "bytes": size, "series": len(series), "sources": sorted(cursors),
        "settings": settings, "alarms": len(alarms), "open_alarms": sum(one.is_open for one in alarms),
        "checkpoint_batch": None if checkpoint is None else checkpoint.batch,
        "checkpoint_time": None if checkpoint is None else moment_iso(checkpoint.created_us),
        "damaged_checkpoints": [] if checkpoint is None else list(checkpoint.warnings),
    }  # fmt: skip
    if args.json:
        print(json.dumps(facts, indent=2))
        return 0
    written = "none yet" if checkpoint is None else (
        f"after batch {checkpoint.batch:,}, written {moment_in_words(checkpoint.created_us // 10**6 * 10**6)}"
    )  # fmt: skip
    print(f"{folder}: {len(series):,} series of {len(cursors):,} sources, {print_size(size)}")
    print(f"settings {settings or 'none yet'}")
    print(f"alarms {len(alarms):,}, {facts['open_alarms']} of them open")
    print(f"checkpoint {written}")
    for line in [] if checkpoint is None else checkpoint.warnings:
        print(f"damaged: {line}")
    return 0


def verify_main(args: argparse.Namespace) -> int:
    """Check a state folder; 1 where the checkpoint is not the state that the journal leads to."""
    folder = Path(args.state)
    with Journal.open(folder, read_only=True) as journal:
        checkpoint = journal.checkpoints.load()
        damaged = [] if checkpoint is None else list(checkpoint.warnings)
        begin = 0
        try:
            differ = _replay(journal, None, checkpoint)
        except JournalForgotten as error:
            if checkpoint is None:
                raise
            begin = checkpoint.batch
            print(f"the journal's beginning is not compared: {error}")
            differ = _replay(journal, checkpoint, None)
    for line in damaged:
        print(f"damaged: {line}")
    for name in differ[:20]:
        print(f"differs: {visible(name)}: the checkpoint has another state than the journal leads to")
    if damaged or differ:
        return 1
    whole = (
        "the checkpoint is the state that the journal leads to, bit for bit"
        if checkpoint and not begin
        else "no damage"
    )
    batches = f"every batch after batch {begin:,}" if begin else "every batch"
    print(f"{folder}: {batches} can be read; {whole}")
    return 0


def copy_main(args: argparse.Namespace) -> int:
    """Copy a state folder, as it is at one moment, into one that has no journal yet."""
    source, target = Path(args.source), Path(args.target)
    with Journal.open(source, read_only=True) as journal:
        journal.checkpoints.load()  # a damaged one is refused before anything is written
        journal.copy_to(target)
    with Journal.open(target, read_only=True) as journal:
        series, alarms = journal.series(), known_alarms(journal)
    found = sum(one.is_open for one in alarms)
    print(f"{target}: {len(series):,} series, {found:,} open alarm{'s' if found != 1 else ''}, from {source}")
    return 0


def _replay(journal: Journal, start: Checkpoint | None, compared: Checkpoint | None) -> list[str]:
    """Replay the journal from a checkpoint, or its beginning; name the series that differ from another checkpoint."""
    replica, differ = Replica(Settings()), []
    if start is not None:
        replica.use_checkpoint(start)
    for joined in group_joined(journal.tail(0 if start is None else start.batch)):
        replica.apply(*joined)
        if compared is not None and joined[-1].batch == compared.batch:
            other = Replica(Settings())
            other.use_checkpoint(compared)
            mine, theirs = _digests(replica), _digests(other)
            differ = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
    return differ


def _digests(replica: Replica) -> dict[str, str]:
    state = replica.state
    return {
        state.names[number]: digest(members, row)
        for members in state.cohorts
        for row, number in enumerate(members.series.tolist())
    }
