"""docs/sources.md: its configurations are valid, and it has a section for each kind of source that needs a server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sentinel.commands.main import entry_point
from sentinel.sources import SOURCES

PAGE = (Path(__file__).parents[2] / "docs" / "sources.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_there_is_a_section_and_an_example_for_each_kind() -> None:
    kinds = set(SOURCES) - {"csv", "simulate"}
    assert set(re.findall(r"^## (\w+):", PAGE, re.MULTILINE)) == kinds
    assert {kind for text in EXAMPLES for kind in re.findall(r"kind: (\w+)", text)} >= kinds


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_its_configurations_are_what_sentinel_check_takes(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "sentinel.yaml"
    config.write_text(EXAMPLES[number], "utf-8")
    assert entry_point(["check", str(config)]) == 0
    assert "valid" in capsys.readouterr().out
