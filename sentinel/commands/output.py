"""Makes the folder for a command's results, and names a file that cannot be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sentinel.domain.errors import SentinelError, UsageError


def folder_for(out: Path, option: str = "--out") -> Path:
    """Make the folder if needed.

    Raises
    ------
    UsageError
        There is a file of that name.
    SentinelError
        It cannot be made.
    """
    with writing(out):
        try:
            out.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise UsageError(f"{option} {out}: there is a file of that name; a folder is needed") from error
    return out


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn an OSError into a SentinelError that names what could not be written."""
    try:
        yield
    except OSError as error:
        raise SentinelError(f"{target}: {error.strerror or error}; it must be writable, with enough room") from error
