"""One YAML document as a tree that knows the file and line of everything in it.

PyYAML only cuts the text into events: nothing in a file can construct anything. A plain scalar is read by the core
schema of YAML 1.2; what older readers take for another value (``1:30``, ``010``) is refused, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import yaml

from sentinel.config.faults import Faults
from sentinel.config.secrets import may_be_secret
from sentinel.config.values import KeyPath

DEEPEST = 12
"""Levels of nesting; settings need 4."""

Scalar: TypeAlias = str | int | float | bool | None

_NULL = ("", "~", "null", "Null", "NULL")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DOUBTS = tuple((re.compile(form), why) for form, why in (
    (r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?",
     "is a number to base 60 to some readers; write a duration such as 90m, or put text in quotes"),
    (r"[-+]?0[0-9]+", "is octal to some readers; write the number without leading zeros, or put text in quotes"),
    (r"(?=.{19})[-+]?[0-9]+", "is too long; numbers of up to 18 digits are allowed"),
))  # fmt: skip
"""Plain scalars that are refused, and why."""


@dataclass(slots=True)
class Node:
    """A scalar, a list or a mapping, and where it begins."""

    file: str
    line: int
    content: Scalar | list[Node] | dict[str, Node]
    raw: str = ""
    """Text of a scalar as written."""
    position: int = 0
    """Position in its list, in its own file."""
    key_places: dict[str, tuple[str, int]] = field(default_factory=dict)
    """File and line of each key of a mapping."""
    doubtful: bool = False
    """The content was refused already, and is left out."""

    def plain(self) -> object:
        """Without positions."""
        if isinstance(self.content, dict):
            return {key: node.plain() for key, node in self.content.items()}
        if isinstance(self.content, list):
            return [node.plain() for node in self.content]
        return self.content

    def shown(self) -> str:
        """In a message, as what came."""
        if isinstance(self.content, dict):
            return "a mapping"
        if isinstance(self.content, list):
            return "a list"
        if self.content is None:
            return "nothing"
        text = self.raw if len(self.raw) <= 60 else f"{self.raw[:57]}..."
        return f"'{text}'" if isinstance(self.content, str) else text


class Found(NamedTuple):
    """The place to which a key path leads in a tree, as far as it can be followed."""

    file: str
    line: int
    path: KeyPath
    """The key path with the positions in lists as they are in that file."""
    node: Node
    doubtful: bool
    """Something on the way was refused already."""


def find(root: Node, path: KeyPath) -> Found:
    """Follow a key path; a key's place is the key's own line, and what is missing is where it should be."""
    node, file, line, own, doubtful = root, root.file, root.line, list(path), root.doubtful
    for depth, part in enumerate(path):
        if isinstance(node.content, dict) and part in node.content:
            file, line = node.key_places[str(part)]
            node = node.content[str(part)]
        elif isinstance(node.content, list) and isinstance(part, int) and part < len(node.content):
            node = node.content[part]
            file, line, own[depth] = node.file, node.line, node.position
        doubtful = doubtful or node.doubtful
    return Found(file, line, tuple(own), node, doubtful)


class TreeError(Exception):
    """The text is not a tree at all; no more can be said about this file."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class Reader:
    """Builds the tree of one document, adding what is wrong with it to `faults`."""

    def __init__(self, text: str, file: str, faults: Faults) -> None:
        self._faults = faults
        self._file = file
        self._events: Iterator[yaml.Event] = iter(_events(text))

    def root(self) -> Node | None:
        """The document, None if there is none; TreeError where there is no making sense of it."""
        next(self._events)  # stream start
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            return None
        root = self._node(next(self._events), ())
        next(self._events)  # document end
        following = next(self._events)
        if not isinstance(following, yaml.StreamEndEvent):
            raise TreeError(_line(following), "a second document begins; one document per file is allowed")
        return root

    def _node(self, event: yaml.Event, path: KeyPath) -> Node:
        line = _line(event)
        if len(path) > DEEPEST:
            raise TreeError(line, f"nested more than {DEEPEST} levels deep; settings need 4")
        if isinstance(event, yaml.AliasEvent):
            return self._refuse(line, path, f"*{event.anchor} is an alias; write the value out")
        node = self._content(event, line, path)
        node.doubtful = self._adorned(event, path) or node.doubtful
        return node

    def _content(self, event: yaml.Event, line: int, path: KeyPath) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                item = self._node(event, (*path, len(items)))
                item.position = len(items)
                items.append(item)
            return Node(self._file, line, items)
        return self._mapping(line, path)

    def _mapping(self, line: int, path: KeyPath) -> Node:
        content: dict[str, Node] = {}
        places: dict[str, tuple[str, int]] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise TreeError(_line(event), "a key that is not text; keys are words")
            key, key_line = event.value, _line(event)
            self._adorned(event, (*path, key))
            value = self._node(next(self._events), (*path, key))
            if key in content:
                first = places[key][1]
                self._refuse(key_line, (*path, key), f"the key is there twice, first in line {first}; once is allowed")
            else:
                content[key], places[key] = value, (self._file, key_line)
        return Node(self._file, line, content, key_places=places)

    def _adorned(self, event: yaml.Event, path: KeyPath) -> bool:
        """True if it bears an anchor or a tag, which are faults."""
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is not None:
            self._refuse(_line(event), path, f"&{anchor} is an anchor; write the value out wherever it is needed")
        if tag is not None:
            short = tag.replace("tag:yaml.org,2002:", "!!")
            self._refuse(_line(event), path, f"{short} is a tag; plain values are allowed")
        return anchor is not None or tag is not None

    def _scalar(self, event: yaml.ScalarEvent, path: KeyPath) -> Node:
        text, line = str(event.value), _line(event)
        if "\0" in text:  # only an escape in quotes can write one; no file name may hold it
            return self._refuse(line, path, "the control character U+0000; printable text is allowed")
        if event.style is not None:  # quoted
            return Node(self._file, line, text, raw=text)
        reason = next((why for form, why in _DOUBTS if form.fullmatch(text)), "")
        if reason:
            shown = "***" if may_be_secret(path) else text if len(text) < 30 else text[:27] + "..."
            return self._refuse(line, path, f"{shown} {reason}")
        return Node(self._file, line, _read_scalar(text), raw=text)

    def _refuse(self, line: int, path: KeyPath, message: str) -> Node:
        self._faults.add(self._file, line, path, message)
        return Node(self._file, line, None, doubtful=True)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _events(text: str) -> Iterator[yaml.Event]:
    """Events of a YAML text; TreeError in place of the library's errors."""
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.lstrip(" ")
        if stripped.startswith("\t") and not stripped.lstrip().startswith("#") and stripped.strip():
            raise TreeError(number, "a tab in the indentation; spaces are allowed")
    try:
        yield from yaml.parse(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "cannot be read"
        raise TreeError(mark.line + 1 if mark else 1, f"not YAML: {problem}") from None
    except yaml.reader.ReaderError as error:
        number = text.count("\n", 0, error.position) + 1
        message = f"the control character U+{ord(text[error.position]):04X}; printable text is allowed"
        raise TreeError(number, message) from None


def _read_scalar(text: str) -> Scalar:
    """Read a plain scalar by the core schema of YAML 1.2."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text
