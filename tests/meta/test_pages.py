"""Reference pages that are written from the code. `pytest --update-golden` writes them again."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from detectors.tables import DETECTORS
from sentinel.analysis.readings import COLUMNS
from sentinel.commands.main import parser
from sentinel.domain.metrics import METRICS
from sentinel.domain.spans import print_duration, print_size
from sentinel.tables.dialects import DIALECTS
from sentinel.tables.options import NAMES

ROOT = Path(__file__).resolve().parents[2]
BEGIN = "<!-- written by tests/meta/test_pages.py --update-golden -->\n"
END = "<!-- end -->\n"


def metrics() -> Iterator[str]:
    """Every metric with its type, its labels and what it says."""
    yield "| metric | type | labels | what it says |\n|---|---|---|---|"
    for row in METRICS:
        yield f"| `{row.name}` | {row.type} | {', '.join(row.labels) or '-'} | {row.help} |"


def configuration() -> Iterator[str]:
    """Every key of every section, from the schema of configuration files."""
    schema = json.loads((ROOT / "config" / "sentinel.schema.json").read_text(encoding="utf-8"))
    definitions = schema["$defs"]
    for section, described in schema["properties"].items():
        yield f"\n## {section}"
        first = text_of(definitions[parts_of(described)[0]])
        if not first.startswith(text_of(described).removesuffix(".")):
            yield f"\n{text_of(described)}"
        for name in parts_of(described):
            yield from keys(definitions[name])
    (checks,) = parts_of(definitions["SeriesSettings"]["properties"]["checks"])
    yield "\n## series.checks"
    yield from keys(definitions[checks])
    for check, described in definitions[checks]["properties"].items():
        for name in parts_of(described):
            yield f"\n### series.checks.{check}"
            yield from keys(definitions[name])
    (channel,) = parts_of(definitions["AlarmSettings"]["properties"]["channels"])
    yield "\n## alarms.channels"
    yield from keys(definitions[channel])
    old = [
        f"| `{section}`: `{key}` | {text_of(field)} |"
        for section, described in schema["properties"].items()
        for name in parts_of(described)
        for key, field in definitions[name]["properties"].items()
        if field.get("deprecated")
    ]
    if old:
        yield "\n## Keys of earlier versions\n\n| key | what became of it |\n|---|---|"
    yield from old


def parts_of(described: Mapping[str, Any]) -> list[str]:
    """Names of the definitions that a property refers to, in order."""
    return list(dict.fromkeys(re.findall(r'"\$ref": "#/\$defs/(\w+)"', json.dumps(described))))


def keys(part: Mapping[str, Any]) -> Iterator[str]:
    """What a part of the configuration is, and its keys."""
    kind = part["properties"].get("kind", {}).get("const")
    yield f"\n{f'`kind: {kind}`: ' if kind else ''}{text_of(part)}\n"
    yield "| key | default | meaning |\n|---|---|---|"
    required = part.get("required", [])
    for key, field in sorted(part["properties"].items(), key=lambda item: item[0] not in required):
        if field.get("deprecated"):
            continue
        default = "required" if key in required else f"`{default_of(field)}`"
        yield f"| `{key}` | {default} | {text_of(field)} |"


def default_of(field: Mapping[str, Any]) -> str:
    """The default of a key as it would be written in a file."""
    default, written = field.get("default"), json.dumps(field)
    if isinstance(default, int) and "us|ms|s" in written:
        return print_duration(default)
    if isinstance(default, int) and "KiB" in written:
        return print_size(default)
    return default if isinstance(default, str) and default.isalnum() else json.dumps(default, ensure_ascii=False)


def text_of(described: Mapping[str, Any]) -> str:
    """The description in one line, fit for a cell of a table."""
    return " ".join(described.get("description", "").split()).replace("|", "\\|")


def commands(within: argparse.ArgumentParser | None = None, prefix: str = "") -> Iterator[str]:
    """Every command with its arguments; of one that only holds others, those."""
    groups = [each for each in (within or parser())._actions if isinstance(each, argparse._SubParsersAction)]
    for name, command in groups[0].choices.items():
        if any(isinstance(action, argparse._SubParsersAction) for action in command._actions):
            yield from commands(command, f"{prefix}{name} ")
            continue
        arguments = [action for action in command._actions if "--help" not in action.option_strings]
        yield f"\n## sentinel {prefix}{name}\n\n{command.description}"
        if arguments:
            yield "\n| argument | meaning |\n|---|---|"
        for action in arguments:
            taken = "" if action.nargs == 0 else str(action.metavar or "|".join(action.choices or ()))
            written = " ".join(filter(None, (*action.option_strings, taken))).replace("|", "\\|")
            yield f"| `{written}` | {(action.help or '') % {'default': action.default}} |"


PAGES = {"metrics": metrics, "configuration": configuration, "commands": commands}


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_that_of_the_code(name: str, golden_part) -> None:
    golden_part(ROOT / "docs" / f"{name}.md", BEGIN, "\n".join(PAGES[name]()).lstrip("\n") + "\n", END)


def test_every_kind_of_detector_is_in_the_table_of_detectors() -> None:
    page = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    files = {path.stem for path in (ROOT / "detectors" / "tables").glob("*.py")} - {"__init__"}
    assert set(DETECTORS) <= files
    assert set(re.findall(r"^\| `detectors/tables/(\w+)\.py`", page, re.MULTILINE)) == files


def test_the_page_of_the_backtest_has_every_column_of_the_readings() -> None:
    page = (ROOT / "docs" / "backtest.md").read_text(encoding="utf-8")
    table = page.partition("Columns of `readings.parquet`")[2].partition("\n\n`period`")[0]
    assert tuple(re.findall(r"`(\w+)`(?=[^|\n]*\| [^|\n]+ \|$)", table, re.MULTILINE)) == COLUMNS


def test_the_page_of_the_code_names_every_room_and_no_other() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.name for path in (ROOT / "sentinel").iterdir() if (path / "__init__.py").is_file()}
    assert set(re.findall(r"^\| `sentinel/(\w+)/`", page, re.MULTILINE)) == rooms


def test_every_file_that_a_page_names_exists() -> None:
    named = re.compile(r"`((?:sentinel|detectors|config|deploy|tests|docs)/[\w./-]*)`")
    folders = (ROOT, ROOT / "docs", ROOT / "deploy")
    for page in (page for folder in folders for page in folder.glob("*.md") if page.name != "CHANGELOG.md"):
        for path in named.findall(page.read_text(encoding="utf-8")):
            assert (ROOT / path).exists(), f"{page.relative_to(ROOT)}: {path}"


def test_the_page_of_the_files_has_every_dialect_and_every_option_of_a_table() -> None:
    text = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE))
    assert set(rows) == {one.name for one in DIALECTS}
    for one in DIALECTS:
        assert rows[one.name].startswith(one.what) or one.name == "plain"
    for name in set(NAMES) - {"format", "layout"}:
        assert f"`--{name.replace('_', '-')}" in text, name
