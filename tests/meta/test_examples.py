"""The source, the receiver and the detector that the pages for contributors show keep the contract of their kind."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from detectors.checks import CheckFailed, checks
from sentinel.domain.observation import Frame
from sentinel.sources import SourceError
from tests.fixtures import ManualClock
from tests.meta.printed import ROOT, blocks
from tests.notify import test_notify as receivers
from tests.sources import test_contract as sources
from tests.sources import test_contract_odd as odd
from tests.sources.following import NOW_US, SECOND_US, follow


def example(page: str, folder: Path) -> ModuleType:
    """The module that a page shows."""
    (block,) = [one for one in blocks(ROOT / "docs" / page) if one.language == "python" and one.file]
    path = folder / str(block.file)
    path.write_text(block.text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_source_does_what_every_source_must_do(tmp_path: Path) -> None:
    shown = example("writing-a-source.md", tmp_path)
    table = tmp_path / "lake.txt"
    table.write_text("".join(f"{(NOW_US // SECOND_US) - 9_000 + n}\tph\t{n % 7}\n" for n in range(2_500)) + "17672")

    def made() -> sources.PullSource:
        settings = shown.LinesSource.model_validate({"kind": "lines", "name": "lake", "path": str(table)})
        return shown.Lines(settings, ManualClock(NOW_US))

    wanted = [each for name, each in inspect.getmembers(sources, inspect.isfunction) if name.startswith("test_")]
    contract = [each for each in wanted if set(inspect.signature(each).parameters) in ({"make"}, {"pull"})]
    assert len(contract) >= 7
    for clause in contract:
        clause(made)
    assert sum(frame.observations.height for frame in follow(made())[0]) == 2_500
    table.unlink()
    with pytest.raises(SourceError, match="a file is needed"):
        made().fetch(None)


def test_the_source_takes_or_counts_odd_observations_as_all_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = example("writing-a-source.md", tmp_path)

    def lines(folder: Path, rows: Sequence[odd.Row]) -> list[Frame]:
        path = folder / "odd.txt"
        path.write_text("".join(f"{row.at}\t{row.series}\t{row.value}\n" for row in rows))
        return odd.pulled({"kind": "lines", "path": str(path)}, shown.LinesSource)

    monkeypatch.setitem(odd.SOURCES, "lines", shown.Lines)
    monkeypatch.setitem(odd.WAYS, "lines", lines)
    odd.test_odd_observations_are_taken_or_counted_alike_and_harm_no_neighbour("lines", tmp_path)


def test_the_receiver_does_what_every_receiver_must_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = example("writing-a-receiver.md", tmp_path)

    def made(folder: Path, _: object = None) -> receivers.Notifier:
        return shown.LinesNotifier(shown.LinesNotify(kind="lines", path=folder / "events.txt"))

    monkeypatch.setitem(receivers.EXAMPLES, "lines", made)
    no_server: Any = None
    receivers.test_every_notifier_sends_describes_itself_in_a_line_and_closes_twice("lines", tmp_path, no_server)
    receivers.test_after_its_deadline_no_notifier_goes_on("lines", tmp_path, no_server)
    lines = (tmp_path / "events.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["a1b2/raised", "a1b2/cleared"]
    outcome, sent, reason = made(tmp_path / "gone").send([receivers.EVENT], receivers.soon())
    assert (outcome, sent) == ("retry", 0)
    assert "No such file" in reason


def test_the_detector_passes_every_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = example("writing-a-detector.md", tmp_path)
    monkeypatch.setitem(sys.modules, shown.__name__, shown)  # where a check looks for its docstring
    for check in checks(shown.gentle):
        check.run()
    with pytest.raises(CheckFailed, match=r"pushed to the wrong side|mirrored shocks"):
        next(one for one in checks(lambda r, h: shown.gentle(0.9 * r, h)) if "rests" in one.name).run()
