"""Where a command writes its results: a folder that is there or made, and one line where it cannot be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sentinel.errors import SentinelError, UsageError


def folder_for(out: Path, option: str = "--out") -> Path:
    """Make the folder if needed.

    Raises
    ------
    UsageError
        There is a file of that name.
    SentinelError
        It cannot be made.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{option} {out}: there is a file of that name; a folder is needed")
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    return out


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Name what could not be written."""
    try:
        yield
    except OSError as error:
        raise SentinelError(f"{target}: {error.strerror or error}; it must be writable, with enough room") from error
