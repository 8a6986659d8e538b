"""The two shipped files: the smallest one is small, the full one names every key and tells its defaults truly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from sentinel.config import Settings, load, settings_text
from sentinel.config.faults import Faults
from sentinel.config.tree import Node, Reader
from sentinel.domain.errors import ConfigError
from sentinel.simulate import SYSTEMS

CONFIG = Path(__file__).parents[2] / "config"
FULL = CONFIG / "sentinel.full.yaml"
LINES = FULL.read_text("utf-8").splitlines()


def parts(value: Any) -> Iterator[BaseModel]:
    if isinstance(value, BaseModel):
        yield value
        for key in type(value).model_fields:
            yield from parts(getattr(value, key))
    elif isinstance(value, dict | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from parts(inner)


def keys(node: Node, settings: Any) -> Iterator[tuple[str, int, Any]]:
    """Every key of the file with its line and the part of the settings that holds it."""
    if isinstance(node.content, list):
        for inner, part in zip(node.content, settings, strict=True):
            yield from keys(inner, part)
    elif isinstance(node.content, dict):
        for key, inner in node.content.items():
            yield key, node.key_places[key][1], settings
            yield from keys(inner, settings[key] if isinstance(settings, dict) else getattr(settings, key))


@cache
def all_keys() -> list[tuple[str, int, Any]]:
    root = Reader(FULL.read_text("utf-8"), "full", Faults([])).root()
    assert root is not None
    return list(keys(root, load(FULL)))


def default_of(part: BaseModel, key: str) -> Any:
    return type(part).model_fields[key].get_default(call_default_factory=True)


def test_the_full_file_names_every_key_of_every_part() -> None:
    named: dict[type[BaseModel], set[str]] = {}
    for key, _, part in all_keys():
        if isinstance(part, BaseModel):
            named.setdefault(type(part), set()).add(key)
    for part in parts(load(FULL)):
        assert named[type(part)] == set(type(part).model_fields), type(part).__name__


def test_what_the_full_file_marks_as_default_is_the_default() -> None:
    marked = [(key, line, part) for key, line, part in all_keys() if re.search(r"# default(;|$)", LINES[line - 1])]
    assert len(marked) > 50
    for key, _, part in marked:
        assert getattr(part, key) == default_of(part, key), key


def test_what_the_full_file_says_the_default_would_be_is_the_default() -> None:
    said = [
        (key, part, match[1])
        for key, line, part in all_keys()
        if (match := re.search(r"# default is (null|\[\]|\"\*\")", LINES[line - 1]))
    ]
    assert len(said) >= 5
    for key, part, text in said:
        assert default_of(part, key) == {"null": None, "[]": (), '"*"': "*"}[text], key


def test_every_other_key_of_the_full_file_has_a_comment_or_is_required() -> None:
    for key, line, part in all_keys():
        if not isinstance(part, BaseModel) or "#" in LINES[line - 1]:
            continue
        field = type(part).model_fields[key]
        again = any(key == other and "#" in LINES[number - 1] for other, number, _ in all_keys())
        assert isinstance(part, Settings) or field.is_required() or again, key


@pytest.mark.parametrize("name", ["sentinel.yaml", "sentinel.full.yaml", "lakes.yaml"])
def test_settings_that_are_shown_can_be_used_as_they_stand(name: str, tmp_path: Path) -> None:
    shown = tmp_path / "shown.yaml"
    shown.write_text(settings_text(settings := load(CONFIG / name)))
    assert load(shown) == settings


@pytest.mark.parametrize("name", ["sentinel.yaml", "sentinel.full.yaml"])
def test_editors_find_the_schema(name: str) -> None:
    first = (CONFIG / name).read_text("utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=sentinel.schema.json"
    assert (CONFIG / "sentinel.schema.json").is_file()


def test_the_smallest_file_is_one_csv_source() -> None:
    settings = load(CONFIG / "sentinel.yaml")
    assert [source.kind for source in settings.sources] == ["csv"]
    assert settings.model_copy(update={"sources": (), "daemon": Settings().daemon}) == Settings()


def test_the_full_file_names_every_simulated_system() -> None:
    text = FULL.read_text("utf-8")
    said = text[text.index("# Systems:") : text.index("system: lake")]
    systems = {name.removesuffix("_control") for name in SYSTEMS}
    assert {name for name in systems if name not in re.findall(r"\w+", said)} == set()
    recorded = {name for name in systems if SYSTEMS[name].stamps is not None}
    without = systems - recorded - {name.removesuffix("_control") for name in SYSTEMS if name.endswith("_control")}
    assert without == {"ar1"}


def test_bug_headers_and_arguments_of_programs_were_shown_with_the_settings() -> None:
    headers = {"X-Api-Key": "s3cret", "X-Token": "--s3cret"}
    server = {"url": "https://h.example.org", "headers": headers}
    command = ["/bin/page", "--token=s3cret", "--urgent", "--key", "s3cret", "-ps3cret", "--x=--y=s3cret", "s3cret=--z"]
    settings = Settings.model_validate({
        "sources": [
            {"kind": "http", "name": "a", "format": "csv", **server},
            {"kind": "prometheus", "name": "b", "queries": ["up"], **server},
        ],
        "notify": [{"kind": "exec", "command": command}],
    })  # fmt: skip
    shown = yaml.safe_load(text := settings_text(settings))
    assert "s3cret" not in text
    assert [source["headers"] for source in shown["sources"]] == [{"X-Api-Key": "***", "X-Token": "***"}] * 2
    hidden = ["--token=***", "--urgent", "--key", "***", "***", "--x=***", "***"]
    assert shown["notify"][0]["command"] == ["/bin/page", *hidden]


@pytest.mark.parametrize("value", ["53210", "053210", "5321053210532105321053210", "true", '"53210\\0"', "[53210]"])
@pytest.mark.parametrize(
    "key",
    [
        "sources: [{kind: http, name: a, format: csv, url: 'http://h', headers: HERE}]",
        "sources: [{kind: http, name: a, format: csv, url: 'http://h', headers: {X-Api-Key: HERE}}]",
        "notify: [{kind: exec, command: 'HERE'}]",
        "notify: [{kind: exec, command: [/bin/page, HERE]}]",
    ],
)
def test_bug_a_fault_in_a_header_or_a_command_repeated_it(tmp_path: Path, key: str, value: str) -> None:
    (file := tmp_path / "lake.yaml").write_text(key.replace("HERE", value))
    with pytest.raises(ConfigError) as refused:
        load(file)
    assert not {"53210", "true", "True"} & set(re.findall(r"53210|[Tt]rue", str(refused.value)))
