"""Reads settings from files, and from what this or an earlier version recorded; writes their JSON Schema."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from sentinel.config.alarms import AlarmSettings
from sentinel.config.events import EventsFile, read_files
from sentinel.config.faults import Faults, fault_line, faults_of
from sentinel.config.secrets import hide_query, hide_value
from sentinel.config.series import BankSettings, SeriesSettings
from sentinel.config.settings import Settings
from sentinel.config.tree import Node, Reader, TreeError, find
from sentinel.config.values import FROM_FILE, RECORDED, KeyPath, Part, path_text
from sentinel.config.web_file import WebFile
from sentinel.domain.errors import ConfigError, StateError

PartT = TypeVar("PartT", bound=Part)


def load(path: Path | str, notice: Callable[[str], object] | None = None) -> Settings:
    """Read settings from one YAML file, or from a folder of *.yaml files merged in the order of their names.

    Lists are joined, mappings are merged key by key, and a key that stands in two files is a fault. `notice` is called
    with one line for each key that has another name now, or has gone, and is still read. ConfigError has one line per
    fault: ``<file>:<line>: <key>: <what came>; <what is allowed>``.
    """
    files = _list_files(Path(path))
    faults = Faults(files)
    root, *rest = _read_trees(files, faults)
    for tree in rest:
        _merge(root, tree, (), faults)
    notices = list(_replace_old_keys(root))
    settings = _validate(root, Settings, faults)
    if notice is not None:
        for line in notices:
            notice(line)
    return settings


def load_web_file(path: Path) -> WebFile:
    """Read a web config file, as the exporters of Prometheus have; ConfigError as of `load`."""
    faults = Faults([path])
    (root,) = _read_trees([path], faults)
    return _validate(root, WebFile, faults)


def _validate(root: Node, model: type[PartT], faults: Faults) -> PartT:
    """Make a model of a tree; ConfigError with all its faults, and with those found before."""
    try:
        made = model.model_validate_json(json.dumps(root.plain()), strict=True, context=FROM_FILE)
    except ValidationError as error:
        for fault in faults_of(error, model, lambda path: find(root, path).node.shown()):
            found = find(root, fault.path)
            if not found.doubtful:
                faults.add(found.file, found.line, found.path, fault.message)
        faults.refuse()
        raise  # not reached: a doubtful value is a fault of its own
    faults.refuse()
    return made


def with_events(settings: Settings, more: Iterable[EventsFile] = ()) -> Settings:
    """Add the events of the tables of events, and of `more` of them; ConfigError where one cannot be read."""
    found = read_files((*settings.event_files, *more))
    return settings.model_copy(update={"events": (*settings.events, *found)}) if found else settings


def from_mapping(data: Mapping[str, Any], where: str = "config") -> Settings:
    """Make settings of what could stand in a file. ConfigError has a line per fault, with the key as Python finds it.

    `config['alarms'][0]['threshold']: 2; a number from -0.98 to 0.99, or the word relative, is allowed`.
    """
    try:
        return Settings.model_validate_json(json.dumps(data, default=str), strict=True, context=FROM_FILE)
    except ValidationError as error:
        faults = faults_of(error, Settings, lambda path: _value_at(data, path))
        lines = (f"{where}{''.join(f'[{part!r}]' for part in fault.path)}: {fault.message}" for fault in faults)
        raise ConfigError("\n".join(dict.fromkeys(lines))) from error


def _replace_old_keys(root: Node) -> Iterator[str]:
    """Give old keys their present names, and take out those that have gone; yield a notice for each of them.

    What cannot stand, an old name beside the present one or another value of a key that has gone, is left in.
    """
    for path, entry, model in _parts_with_old_keys(root):
        content, places = entry.content, entry.key_places
        for key in list(content) if isinstance(content, dict) else ():
            assert isinstance(content, dict)
            new = model.renamed.get(key)
            if new is not None and new not in content:
                content[new], places[new] = content.pop(key), places[key]
                yield fault_line(*places[key], (*path, key), f"is called {new} now; the old name is still read")
            elif key in model.retired and model.retired[key] in (None, content[key].content):
                value = model.retired[key]
                reason = "nothing depends on it" if value is None else f"it is always {value:g}"
                del content[key]
                message = f"has gone, since {reason} now; leave the key out"
                yield fault_line(*places[key], (*path, key), message)


def _parts_with_old_keys(root: Node) -> Iterator[tuple[KeyPath, Node, type[Part]]]:
    for key, node in _mapping(root).items():
        if key == "series" and isinstance(node.content, list):
            yield from (((key, entry.position), entry, SeriesSettings) for entry in node.content)
        elif key == "banks" and isinstance(node.content, dict):
            yield from (((key, name), entry, BankSettings) for name, entry in node.content.items())


def _list_files(path: Path) -> list[Path]:
    try:
        if not path.is_dir():
            return [path]
        files = sorted(file for file in path.iterdir() if file.suffix in {".yaml", ".yml"})
    except OSError as error:
        raise _unreadable(path, error) from None
    misnamed = [file for file in files if file.suffix == ".yml"]
    if misnamed:
        raise ConfigError("\n".join(f"{file}: a folder is read by *.yaml; rename it to .yaml" for file in misnamed))
    if not files:
        raise ConfigError(f"{path}: a folder without *.yaml files; at least one is needed")
    return files


def _read_trees(files: list[Path], faults: Faults) -> list[Node]:
    """Read one tree per file; ConfigError where a file is not YAML, since then nothing is known about its keys."""
    trees: list[Node] = []
    for file in files:
        try:
            trees.append(_check_tree(Reader(_read_text(file), str(file), faults).root()))
        except TreeError as broken:
            faults.add(str(file), broken.line, (), broken.message)
    if len(trees) < len(files):
        faults.refuse()
    return trees


def _check_tree(root: Node | None) -> Node:
    if root is None or (root.content is None and not root.doubtful):
        raise TreeError(1, "an empty file; at least one key is needed, see config/sentinel.yaml")
    if not isinstance(root.content, dict):
        raise TreeError(root.line, f"{root.shown()} at the top; a mapping of keys such as sources: is allowed")
    return root


def _read_text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        raise TreeError(line, f"the byte 0x{byte:02X} is not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{file}: cannot be read: {error.strerror}; a readable YAML file or folder is needed")


def _merge(into: Node, tree: Node, path: KeyPath, faults: Faults) -> None:
    """Add the keys of a file to those of the files before; faults where two of them have the same key."""
    content = _mapping(into)
    for key, node in _mapping(tree).items():
        place, mine = tree.key_places[key], content.get(key)
        if mine is None:
            content[key], into.key_places[key] = node, place
        elif isinstance(mine.content, list) and isinstance(node.content, list):
            mine.content.extend(node.content)
        elif not path and isinstance(mine.content, dict) and isinstance(node.content, dict):
            _merge(mine, node, (key,), faults)
        else:
            file, line = into.key_places[key]
            faults.add(*place, (*path, key), f"the key is in {file}:{line} already; once is allowed")


def _mapping(node: Node) -> dict[str, Node]:
    assert isinstance(node.content, dict)
    return node.content


def settings_text(settings: Settings) -> str:
    """Write settings as YAML, all keys in their order, without what may be secret: see `hide_query`, `hide_value`."""
    keys = _with_secrets_hidden(settings.model_dump(mode="json"))
    return yaml.safe_dump(keys, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None)


def _with_secrets_hidden(content: Any, path: KeyPath = ()) -> Any:
    if isinstance(content, dict):
        return {key: _with_secrets_hidden(each, (*path, key)) for key, each in content.items()}
    if isinstance(content, list):
        return [_with_secrets_hidden(each, (*path, at)) for at, each in enumerate(content)]
    return hide_value(path, hide_query(content)) if isinstance(content, str) else content


def to_record(settings: Settings) -> dict[str, Any]:
    """Return JSON-ready data that `from_record` reads back to equal settings."""
    return settings.model_dump(mode="json")


def from_record(data: Mapping[str, Any], notice: Callable[[str], object] | None = None) -> Settings:
    """Return the settings that this or an earlier version recorded.

    Keys that have gone are left out, whatever their value: what was recorded must not lock a state out. Before
    there was an `at_start` every rule raised alarms from the first verdict on, and does so as it was recorded.
    `notice` is called with one line if that changes a value. StateError: a later version wrote them.
    """
    banks, ignored = {}, []
    for name, bank in data.get("banks", {}).items():
        banks[name] = _without_retired(bank, BankSettings)
        for key, constant in BankSettings.retired.items():
            if bank.get(key, constant) != constant:
                ignored.append(f"banks.{name}.{key}: {bank[key]}; it is always {constant:g} now")
    given = {**data, "banks": banks}
    if "series" in data:
        given["series"] = [_without_retired(entry, SeriesSettings) for entry in data["series"]]
    if ignored and notice is not None:
        notice(f"recorded settings, {', '.join(ignored)}; ignored")
    try:
        settings = Settings.model_validate(given, context=RECORDED)
    except ValidationError as error:
        first = next(faults_of(error, Settings, lambda path: _value_at(data, path)))
        raise StateError(
            f"recorded settings, {path_text(first.path)}: {first.message}; settings of this version are needed; go "
            "back to the version that wrote the state folder, or move the folder away to start afresh"
        ) from error
    alarms = tuple(map(_as_recorded, settings.alarms, data["alarms"])) if "alarms" in data else settings.alarms
    return settings.model_copy(update={"alarms": alarms})


def _without_retired(record: Mapping[str, Any], model: type[Part]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in model.retired}


def _as_recorded(rule: AlarmSettings, record: Mapping[str, Any]) -> AlarmSettings:
    """Give a rule from before `at_start` the meaning it had."""
    return rule.model_copy(update={"at_start": "alarm"}) if rule.is_absolute and "at_start" not in record else rule


def _value_at(data: Any, path: KeyPath) -> str:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return "nothing"
    return str(data)


def fingerprint(part: BaseModel) -> str:
    """Return the first 16 hex digits of the SHA-256 of the canonical JSON: keys sorted, no spaces."""
    canonical = json.dumps(part.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def schema_text() -> str:
    """Return the JSON Schema of a configuration file, as it stands in ``config/sentinel.schema.json``."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}
    schema |= {"title": "sentinel configuration", "minProperties": 1}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
