"""A fault in the settings: where it is, and what came and is allowed, in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]


class Fault(NamedTuple):
    """One thing that is wrong."""

    path: KeyPath
    """Keys and positions from where the rule stands."""
    message: str
    """What came; what is allowed; what to do. One line."""


class ConflictError(ValueError):
    """Settings that are each fine but cannot stand together; raised by the rules beside the fields."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(" | ".join(f"{path_text(fault.path)}: {fault.message}" for fault in self.faults))


def refuse(faults: Iterator[Fault]) -> None:
    """Raise all that a rule found; nothing found, nothing raised."""
    found = tuple(faults)
    if found:
        raise ConflictError(found)


def path_text(path: KeyPath) -> str:
    """``sources[2].every``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
