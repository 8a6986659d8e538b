"""The demo shows the main job, and would say so if it did not."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic
from types import SimpleNamespace

import numpy as np
import pytest

import sentinel.commands.demo
from sentinel.commands.demo import (
    CO2,
    CONTROL,
    ELNINO,
    LOADED,
    PATIENCE_SECONDS,
    SYSTEMS,
    Verdict,
    _Playback,
    judge,
)
from sentinel.commands.main import entry_point
from sentinel.config import Settings
from sentinel.domain.states import SourceStatus
from sentinel.pipeline.pipeline import Batch, Pipeline
from sentinel.runtime import logs
from sentinel.simulate import simulate
from sentinel.views.terminal import Live


def judge_lakes(seeds: range) -> dict[int, Verdict]:
    """The verdict on the lakes of many seeds and their controls, all in one pipeline with the demo's rules."""
    names = [f"{name} {seed}" for seed in seeds for name in (LOADED, CONTROL)]
    records = [simulate(SYSTEMS[name], seed) for seed in seeds for name in (LOADED, CONTROL)]
    pipeline = Pipeline(Settings())
    batch = Batch(
        np.repeat(np.arange(len(names)), [record.values.size for record in records]),
        np.concatenate([record.times_us for record in records]),
        np.concatenate([record.values for record in records]),
        tuple((number, name, "") for number, name in enumerate(names)),
    )
    state, taken = pipeline.advance(pipeline.init(), batch)
    _, ended = pipeline.finish(state)
    return {
        seed: judge([*taken.events, *ended.events], record, f"{LOADED} {seed}", (f"{CONTROL} {seed}",))
        for seed, record in zip(seeds, records[::2], strict=True)
    }


def test_at_least_19_of_20_lakes_are_warned_before_they_tip_and_controls_keep_to_their_budget() -> None:
    """At 1e-4 per tick the budget of 20 controls of 2,000 days is 4 critical alarms."""
    verdicts = judge_lakes(range(20))
    leads = sorted((v.tip_us - v.warned_us) // v.cadence_us for v in verdicts.values() if v.warned_us is not None)
    print(f"seeds 0 to 19: {sum(v.good for v in verdicts.values())} good, median lead {leads[len(leads) // 2]} ticks")
    assert sum(v.good for v in verdicts.values()) >= 19
    assert len([seed for seed, v in verdicts.items() if v.others]) <= 1


def test_seeds_that_nothing_was_chosen_by_do_as_well() -> None:
    verdicts = judge_lakes(range(20, 40))
    print(f"seeds 20 to 39: {sum(v.good for v in verdicts.values())} good")
    assert sum(v.good for v in verdicts.values()) >= 18


@pytest.mark.parametrize(
    ("warned_us", "others", "good"),
    [(5, (), True), (None, (), False), (15, (), False), (5, (CONTROL,), False), (5, (CO2, ELNINO), False)],
)
def test_the_verdict_is_good_only_if_the_lake_was_warned_in_time_and_no_control_alarmed_critically(
    warned_us: int | None, others: tuple[str, ...], good: bool
) -> None:
    verdict = Verdict(10, warned_us, None, others, warnings=(CONTROL,), cadence_us=1)
    assert verdict.good is good
    assert ("no critical alarm" in verdict.text()) is not bool(others)
    assert verdict.text().endswith(f"Warnings, of which one a year is budgeted: {CONTROL}.")


@pytest.mark.slow
def test_headless_runs_the_real_daemon_prints_the_summary_and_saves_the_picture(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sentinel", "demo", "--headless", "--keep", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "serving http://127.0.0.1:" in done.stdout
    assert "before it tipped" in done.stdout
    assert (tmp_path / "sentinel-demo-0.png").read_bytes().startswith(b"\x89PNG")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("patience", "seconds"),
    [(0.0, 30.0), pytest.param(2.0, 3_000.0, marks=pytest.mark.slow)],
    ids=["nothing-played", "not-all-played"],
)
def test_a_machine_too_busy_to_play_everything_ends_it_with_75_and_no_verdict(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    patience: float,
    seconds: float,
) -> None:
    # It said "The loaded lake ... was NOT warned" of a lake of which nothing had been played, and ended in a KeyError.
    monkeypatch.setattr(sentinel.commands.demo, "PATIENCE_SECONDS", patience)
    monkeypatch.setattr(sentinel.commands.demo, "PLAYED_SECONDS", {True: seconds})
    monkeypatch.setattr(logs, "set_up", lambda *_: None)
    assert entry_point(["demo", "--headless", "--keep", str(tmp_path)]) == 75
    told = capsys.readouterr()
    played = re.search(r"the demo was not played: ([\d,]+) of 6,816 observations in .* try again", told.err)
    assert played is not None, told.err
    assert (int(played[1].replace(",", "")) > 0) == (patience > 0)
    for word in ("warned", "tipped", "alarm", "spectrogram", "Traceback"):
        assert word not in told.out + told.err
    assert list(tmp_path.glob("*.png")) == []


def test_patience_begins_with_the_first_turn_when_the_kernels_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [5_000.0]
    monkeypatch.setattr(sentinel.commands.demo, "monotonic", lambda: now[0])
    daemon = SimpleNamespace(
        engine=SimpleNamespace(snapshot=None, sources={"a": SourceStatus("a")}), web=SimpleNamespace(address=""),
        stopped=False, stop=lambda: setattr(daemon, "stopped", True),
    )  # fmt: skip
    playback = _Playback(daemon, {"a": 9}, 0.0, Live(enabled=False), is_watched=False)
    now[0] += 1_000.0  # the compiler is at work
    for seconds, stopped in ((0.0, False), (PATIENCE_SECONDS - 1.0, False), (2.0, True)):
        now[0] += seconds
        playback.on_turn()
        assert daemon.stopped is stopped
    assert not playback.done


@pytest.mark.slow
def test_the_page_stays_up_for_as_long_as_linger_says_and_not_for_as_long_as_a_demo_may_take(tmp_path: Path) -> None:
    # --linger 150 ended after 125 s: what was to end a demo that hangs ended one that had been played.
    patience, linger = 40, 45
    modules = "sentinel.commands.demo as d, sentinel.commands.main as c"
    program = f"import sys, {modules}; d.PATIENCE_SECONDS = {patience}; sys.exit(c.entry_point())"
    command = [sys.executable, "-c", program, "demo", "--headless", "--linger", str(linger), "--keep", str(tmp_path)]
    began = monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert monotonic() - began >= linger


@pytest.mark.slow
def test_ctrl_c_while_the_page_lingers_tells_how_it_went(tmp_path: Path) -> None:
    # It ended with 130, without the summary and without the picture.
    command = [sys.executable, "-m", "sentinel", "demo", "--headless", "--linger", "300", "--keep", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        lines = iter(running.stdout)
        assert any("All played" in line for line in lines)
        running.send_signal(signal.SIGINT)
        assert "before it tipped" in "".join(lines)
    assert running.returncode == 0
    assert (tmp_path / "sentinel-demo-0.png").exists()


@pytest.mark.slow
def test_a_folder_that_takes_no_picture_does_not_hide_how_it_went(tmp_path: Path) -> None:
    (tmp_path / "sentinel-demo-0.png").mkdir()
    command = [sys.executable, "-m", "sentinel", "demo", "--headless", "--keep", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode != 0
    assert "before it tipped" in done.stdout
    assert "sentinel-demo-0.png" in done.stderr
