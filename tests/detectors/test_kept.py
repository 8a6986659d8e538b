"""Machine code on disk is used for as long as all that it was made from stays the same, and no longer."""

from __future__ import annotations

import importlib
import linecache
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import pytest

from detectors import kept
from detectors.compiled import is_kept

FILES = {
    "whole": "import limits\nfrom detectors.compiled import compiled\nfrom half import factor\n\n"
    "@compiled\ndef run(x):\n    return factor(x) + limits.OFFSET\n",
    "half": "from detectors.compiled import part\nfrom limits import SCALE\n\n@part\ndef factor(x):\n"
    "    return SCALE * x + 2.0\n",
    "limits": "SCALE = 1.0\nOFFSET = 8.0\nNOT_USED = 1\n",
}
Load = Callable[[], ModuleType]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Import the kernel as a new process would, from files in the test's folder."""
    for name, text in FILES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def forget() -> None:
        kept._digest.cache_clear()
        for name in FILES:
            sys.modules.pop(name, None)

    def fresh() -> ModuleType:
        forget()
        return importlib.import_module("whole")

    yield fresh
    forget()


def compilations(whole: ModuleType) -> int:
    return sum(whole.run.stats.cache_misses.values())


def edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / f"{name}.py").read_text()
    assert old in text
    (folder / f"{name}.py").write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "value"),
    [
        ("whole", "factor(x)", "-factor(x)", 3.0),
        ("half", "2.0", "4.0", 15.0),
        ("limits", "SCALE = 1.0", "SCALE = 2.0", 16.0),
        ("limits", "OFFSET = 8.0", "OFFSET = 16.0", 21.0),
    ],
)
def test_what_a_kernel_is_made_from_changes_in_any_file_and_it_is_compiled_again(
    load: Load, tmp_path: Path, name: str, old: str, new: str, value: float
) -> None:
    # After an upgrade that changed a part alone the kernel went on with the machine code of before.
    before = load()
    assert not is_kept(before.run)
    assert (before.run(3.0), compilations(before)) == (13.0, 1)
    edit(tmp_path, name, old, new)
    after = load()
    assert not is_kept(after.run)
    assert (after.run(3.0), compilations(after)) == (value, 1)
    assert is_kept(after.run)


def test_other_settings_of_the_compiler_make_other_code(load: Load, tmp_path: Path, monkeypatch) -> None:
    assert load().run(3.0) == 13.0
    monkeypatch.setattr(kept, "_SETTINGS", str(tmp_path / "limits.py"))
    assert not is_kept(load().run)


def test_what_it_does_not_use_may_change(load: Load, tmp_path: Path) -> None:
    assert load().run(3.0) == 13.0
    edit(tmp_path, "limits", "NOT_USED = 1", "NOT_USED = 2")
    again = load()
    assert is_kept(again.run)
    assert (again.run(3.0), compilations(again)) == (13.0, 0)


def test_code_that_the_packages_bring_is_used_where_they_cannot_be_written_and_new_code_goes_elsewhere(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load().run(3.0)
    brought, elsewhere = tmp_path / "__pycache__", tmp_path / "elsewhere"
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(elsewhere))
    before = {path.name: path.read_bytes() for path in brought.iterdir()}
    installed = load()
    assert is_kept(installed.run)
    assert (installed.run(3.0), compilations(installed)) == (13.0, 0)
    assert (installed.run(3), compilations(installed)) == (13.0, 1), "another signature"
    assert {path.name: path.read_bytes() for path in brought.iterdir()} == before
    assert list(elsewhere.rglob("*.nbc"))
    assert (load().run(3), compilations(load())) == (13.0, 0)


def test_a_cell_of_a_notebook_is_known_by_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for number, text in enumerate(["def run(x): return x", "def run(x): return 2 * x", "def run(x): return x"]):
        monkeypatch.setitem(linecache.cache, f"cell {number}", (len(text), None, [text], f"cell {number}"))
        space: dict[str, Any] = {}
        exec(compile(text, f"cell {number}", "exec"), space)
        found.append(kept.stamp_of(space["run"]))
    assert found[0] == found[2] != found[1]


def test_code_for_another_processor_does_not_count(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load()
    whole.run(3.0)
    (place,) = whole.run._cache._places
    index = {(key[0], ("another", *key[1][1:]), key[2]): name for key, name in place._load_index().items()}
    place._save_index(index)
    assert not is_kept(load().run)
