"""The key of a series: its name and its labels as one text, `ph{lake="peter",site="north"}`, as Prometheus writes it.

A series without labels has its name as its key. Journal, pipeline, checkpoints and addresses of pages know keys only;
sources write them, and what is shown or chosen by label reads them. A text has one reading: it ends in labels if these
are written as `write_key` writes them, and else it is a name, whatever braces it has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

NAME = "__name__"
"""Stands for the name among the labels, where both are chosen by."""
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTED = r'"(?:[^"\\\n]|\\[\\"n])*"'
_LABEL = rf"(?:{_PLAIN.pattern}|{_QUOTED})={_QUOTED}"
_LABELS = re.compile(rf"\{{{_LABEL}(?:,{_LABEL})*\}}\Z")
_PAIR = re.compile(rf"({_PLAIN.pattern}|{_QUOTED})=({_QUOTED})")
_ESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
_ANY_LABELS = "{}"
"""Behind the name in a pattern that asks for no label."""
_NONE: Mapping[str, str] = MappingProxyType({})


class Identity(NamedTuple):
    """Identity of a series: its name and labels."""

    name: str
    labels: Mapping[str, str] = _NONE


def write_key(name: str, labels: Mapping[str, str]) -> str:
    """Write the key of a series: labels in order of their names, those that are empty left out."""
    pairs = [f"{_write_name(label)}={_quote(labels[label])}" for label in sorted(labels) if labels[label]]
    return f"{name}{{{','.join(pairs)}}}" if pairs else name


def pattern_of(written: str | Mapping[str, str]) -> str:
    """Write a pattern as `fits` takes it: `{"lake": "p*", "__name__": "ph"}` and `ph{lake="p*"}` are one.

    ValueError says what is wrong.
    """
    if isinstance(written, str):
        found = _LABELS.search(written)
        if found is None:
            return written
        name = written[: found.start()]
        pairs = [(_unquote(label), _unquote(value)) for label, value in _PAIR.findall(found[0])]
    else:
        name, pairs = written.get(NAME, ""), [(label, value) for label, value in written.items() if label != NAME]
    labels = dict(pairs)
    if len(labels) < len(pairs) or NAME in labels:
        raise ValueError(f"a label is named twice, or {NAME} stands in braces; once is allowed, and a name in front")
    for label, value in labels.items():
        if not value:
            raise ValueError(f"label {label} is empty; a text or a pattern such as * is needed, or leave it out")
    return write_key(name, labels) if labels else name + _ANY_LABELS


def read_key(key: str) -> Identity:
    """Read name and labels of a key; a text that does not end in labels as `write_key` writes them is a name."""
    return _read_labelled(key) if key.endswith('"}') else Identity(key)


@lru_cache(maxsize=1 << 16)
def _read_labelled(key: str) -> Identity:
    # No longer end of a text can be labels too: its quotes would be those of the shorter one, opened and closed in
    # each other's place, and the last one would stay open.
    found = _LABELS.search(key)
    if found is None:
        return Identity(key)
    labels = {_unquote(label): _unquote(value) for label, value in _PAIR.findall(found[0])}
    name = key[: found.start()]
    return Identity(name, MappingProxyType(labels)) if write_key(name, labels) == key else Identity(key)


def add_labels(key: str, labels: Mapping[str, str]) -> str:
    """Add labels to a key; one that it has itself stays, so that two series never become one."""
    if not labels:
        return key
    name, own = read_key(key)
    return write_key(name, {**labels, **own})


def extend_name(key: str, text: str) -> str:
    """Put a text behind the name of a key."""
    name, labels = read_key(key)
    return write_key(name + text, labels)


def comparison_name(target: str, counterpart: str) -> str:
    """Name the comparison of two series; it has the labels of the first."""
    name, labels = read_key(target)
    return write_key(f"{name} - {counterpart}", labels)


def compared_names(name: str) -> tuple[str, str]:
    """Name the two series of a comparison; of any other series itself, and nothing."""
    both, labels = read_key(name)
    target, _, counterpart = both.partition(" - ")
    return (write_key(target, labels), counterpart) if counterpart else (name, "")


def fits(key: str, pattern: str) -> bool:
    """Tell if a key fits a pattern with * ? [abc], as in file names.

    A pattern with labels asks for each of these, and for others not at all; one without a name takes any name. A
    label has to be there to fit, even `*`; `ph{}` asks for no label. A pattern without braces is held against the whole
    key.
    """
    if not chooses_by_label(pattern):
        return fnmatchcase(key, pattern)
    name, wanted = read_key(pattern.removesuffix(_ANY_LABELS))
    own_name, labels = read_key(key)
    return fnmatchcase(own_name, name or "*") and all(
        label in labels and fnmatchcase(labels[label], value) for label, value in wanted.items()
    )


def chooses_by_label(pattern: str) -> bool:
    """Tell if a pattern is held against name and labels, not against the whole key."""
    return pattern.endswith(_ANY_LABELS) or bool(read_key(pattern).labels)


def exposed(key: str, allowed: Iterable[str]) -> dict[str, str]:
    """Give those of the labels of a series that are allowed, by the names that metrics and alerts give them."""
    labels = read_key(key).labels
    return {exposed_name(label): labels.get(label, "") for label in allowed}


def exposed_name(label: str) -> str:
    """Name a label in metrics and alerts: `label_site`, so that it is never taken for one of their own."""
    return "label_" + re.sub(r"[^A-Za-z0-9_]", "_", label)


def _write_name(label: str) -> str:
    return label if _PLAIN.fullmatch(label) else _quote(label)


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _unquote(text: str) -> str:
    if not text.startswith('"'):
        return text
    return re.sub(r'\\[\\"n]', lambda found: _ESCAPED[found[0]], text[1:-1])
