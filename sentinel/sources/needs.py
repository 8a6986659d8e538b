"""Needs of a source beside its settings: packages of an extra, and files with secrets, read when they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from sentinel.config import secrets
from sentinel.sources.base import SourceError


def say_what_lacks(package: str | None, extra: str, **files: str | None) -> Iterator[str]:
    """Say which package (None = none is needed) and which files with secrets, by key, are missing."""
    if package is not None and find_spec(package) is None:
        yield f"the package {package} is not installed; it comes with pip install 'sentinel-ews[{extra}]'"
    for key, path in files.items():
        try:
            read_secret(path, key)
        except SourceError as error:
            yield f"{error}; it is read as soon as it can be"


def read_secret(path: str | None, key: str) -> str | None:
    """Give what a file holds, None where none is named; SourceError, with the key of the settings, if it holds none."""
    if path is None:
        return None
    try:
        return secrets.read_secret(Path(path))
    except secrets.SecretMissing as error:
        raise SourceError(f"{key}: {error}") from None
