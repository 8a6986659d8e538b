"""A source that pushes, killed between hand-over and commit: what was not acknowledged comes again, none is doubled."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sentinel.journal import Journal
from tests.e2e.running import observations, wait_for
from tests.sources.pushing import Sender, frame_of

ROOT = Path(__file__).parents[2]
KILLS = 12


def start(sender: Sender, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.sources.pushing", str(sender.port), str(folder / "state")]
    return subprocess.Popen(command, cwd=ROOT)


def on_disk(folder: Path) -> set[int]:
    """Numbers of the messages that the journal holds."""
    with Journal.open(folder / "state", read_only=True) as journal:
        rows = sorted(
            row for batch in journal.tail(0)
            for row in zip(batch.time_us.tolist(), batch.value.tolist(), strict=True)
        )  # fmt: skip
    hour_us = frame_of(1).watermark_us
    assert hour_us is not None
    numbers = [time_us // hour_us for time_us, _ in rows]
    assert [value for _, value in rows] == [float(7 * number % 11) for number in numbers]
    return set(numbers)


@pytest.mark.slow
def test_killed_at_random_moments_exactly_what_was_not_acknowledged_comes_again(tmp_path: Path) -> None:
    moments, sender = random.Random(7), Sender(last=1_000_000)
    caught = 0
    child = start(sender, tmp_path)
    try:
        for n in range(KILLS):
            already = len(sender.acknowledged)
            wait_for(lambda: len(sender.acknowledged) > already, 60.0, "the first acknowledgement")  # noqa: B023
            time.sleep(moments.uniform(0.0, 0.3))
            child.kill()
            child.wait()
            time.sleep(0.1)  # what it had still said arrives
            acknowledged, kept = set(sender.acknowledged), on_disk(tmp_path)
            assert acknowledged <= kept, "acknowledged before it was on disk"
            assert sender.sent[n][0] == already + 1, "it goes on with the first that was not acknowledged"
            caught += not kept.issuperset(sender.sent[n])
            if n == KILLS - 1:
                sender.last = max(max(sent) for sent in sender.sent) + 100
            child = start(sender, tmp_path)
        assert caught > KILLS // 2, "it was never killed between hand-over and commit"
        wait_for(lambda: len(sender.acknowledged) == sender.last, 60.0, "the last acknowledgement")
    finally:
        child.kill()
        child.wait()
        sender.close()
    everything = list(range(1, sender.last + 1))
    assert sender.acknowledged == everything, "one was acknowledged twice, or out of turn"
    assert on_disk(tmp_path) == set(everything)
    assert observations(tmp_path) == len(everything)
    with Journal.open(tmp_path / "state", read_only=True) as journal:
        accepted = sum(committed.time_us.size for committed in journal.tail(0))
    assert accepted == len(everything), "one counted twice"
