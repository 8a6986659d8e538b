"""Rotation through to the journal: what was written is what the journal holds, in order, nothing twice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.runtime.rig import CHOSEN, Rig
from tests.sources.following import csv_source
from tests.sources.rotating import COMPRESS, Writer

SETTINGS = CHOSEN | {"sources": [{"kind": "csv", "name": "lake", "path": "lake.csv"}]}


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 6))])
def test_what_was_written_is_what_the_journal_holds_however_often_the_daemon_was_down(
    tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    folder, state = tmp_path / "data", tmp_path / "state"
    folder.mkdir()
    writer = Writer(folder, dated=seed % 2 == 1, copies=seed % 3 == 2, ending=dice.choice(sorted(COMPRESS)))
    writer.append(1)
    duplicates = lost = 0.0
    for start in range(6):
        rig = Rig(state, SETTINGS)
        source = csv_source(writer.path, columns=["n"], max_observations=dice.choice([7, 1_000]))
        cursor = rig.journal.cursors().get("lake")
        for _ in range(dice.randint(0 if start else 1, 4)):
            frame = source.fetch(cursor)
            if cursor and dice.random() < 0.2:
                break  # stopped before the commit
            rig.feed(frame)
            cursor = frame.cursor
            writer.append(dice.randint(1, 9))
        duplicates += rig.count("observations_duplicate_total", source="lake")
        lost += rig.count("observations_rejected_total", source="lake", reason="lost_file")
        source.close()
        rig.journal.close()
        for _ in range(dice.randint(0, 8)):
            dice.choice([writer.rotate, writer.compress, lambda: writer.append(dice.randint(1, 9))])()
    writer.finish()
    rig = Rig(state, SETTINGS)
    source, more, cursor = csv_source(writer.path, columns=["n"]), True, rig.journal.cursors().get("lake")
    while more:
        frame = source.fetch(cursor)
        rig.feed(frame)
        cursor, more = frame.cursor, frame.more
    source.close()
    told = [value for batch in rig.journal.tail(0) for value in batch.value.tolist()]
    assert told == [float(n) for n in range(writer.written)]
    assert duplicates + rig.count("observations_duplicate_total", source="lake") == 0
    assert lost + rig.count("observations_rejected_total", source="lake", reason="lost_file") == 0
