"""The one door from files to settings: reads, merges, checks, lists every fault with its file and line."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from sentinel.config.faults import Fault, KeyPath, path_text
from sentinel.config.phrases import faults_of
from sentinel.config.settings import Settings
from sentinel.config.tree import Node, Reader, TreeError, find
from sentinel.config.written import FROM_FILE
from sentinel.domain.errors import ConfigError


class _Faults:
    """What was found so far, printed in reading order."""

    def __init__(self, files: list[Path]) -> None:
        self._order = {str(file): order for order, file in enumerate(files)}
        self._found: set[tuple[int, int, str]] = set()

    def add(self, file: str, line: int, path: KeyPath, message: str) -> None:
        where = f"{file}:{line}: {path_text(path)}: " if path else f"{file}:{line}: "
        # Keys and values come from the file: nothing in them may break the line or reach the terminal raw.
        text = "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in where + message)
        self._found.add((self._order[file], line, text))

    def refuse(self) -> None:
        if self._found:
            raise ConfigError("\n".join(text for _, _, text in sorted(self._found)))


def load(path: Path | str) -> Settings:
    """Read settings from one YAML file, or from a folder of *.yaml files merged in the order of their names.

    Lists are joined, mappings are merged key by key, and a key that stands in two files is a fault.

    Raises
    ------
    ConfigError
        One line per fault: ``<file>:<line>: <key>: <what came>; <what is allowed>``.
    """
    files = _files(Path(path))
    faults = _Faults(files)
    root = _merged(_trees(files, faults), faults)
    try:
        settings = Settings.model_validate_json(json.dumps(root.plain()), strict=True, context=FROM_FILE)
    except ValidationError as error:
        for fault in faults_of(error, Settings, root):
            found = find(root, fault.path)
            if not found.doubtful:
                faults.add(found.file, found.line, found.path, fault.message)
        faults.refuse()
        raise  # not reached: a doubtful value is a fault of its own
    faults.refuse()
    return settings


def _files(path: Path) -> list[Path]:
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


def _trees(files: list[Path], faults: _Faults) -> list[Node]:
    """One tree per file; ConfigError where a file is not YAML, since then nothing is known about its keys."""
    trees: list[Node] = []
    for file in files:
        found: list[tuple[int, Fault]] = []
        try:
            trees.append(_tree(Reader(_text(file), str(file), found).root()))
        except TreeError as broken:
            faults.add(str(file), broken.line, (), broken.message)
        for line, fault in found:
            faults.add(str(file), line, fault.path, fault.message)
    if len(trees) < len(files):
        faults.refuse()
    return trees


def _tree(root: Node | None) -> Node:
    if root is None or (root.content is None and not root.doubtful):
        raise TreeError(1, "an empty file; at least one key is needed, see config/sentinel.yaml")
    if not isinstance(root.content, dict):
        raise TreeError(root.line, f"{root.shown()} at the top; a mapping of keys such as sources: is allowed")
    return root


def _text(file: Path) -> str:
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


def _merged(trees: list[Node], faults: _Faults) -> Node:
    """All files as one tree; faults where two of them say the same key."""
    first, *rest = trees
    for tree in rest:
        for key, node in _mapping(tree).items():
            _take(first, key, node, tree.key_places[key], (key,), faults)
    return first


def _take(into: Node, key: str, node: Node, place: tuple[str, int], path: KeyPath, faults: _Faults) -> None:
    content = _mapping(into)
    mine = content.get(key)
    if mine is None:
        content[key] = node
        into.key_places[key] = place
    elif isinstance(mine.content, list) and isinstance(node.content, list):
        mine.content.extend(node.content)
    elif len(path) == 1 and isinstance(mine.content, dict) and isinstance(node.content, dict):
        for inner, value in node.content.items():
            _take(mine, inner, value, node.key_places[inner], (*path, inner), faults)
    else:
        file, line = into.key_places[key]
        faults.add(*place, path, f"the key is in {file}:{line} already; once is allowed")


def _mapping(node: Node) -> dict[str, Node]:
    assert isinstance(node.content, dict)
    return node.content
