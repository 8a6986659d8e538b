"""Needs of a source beside its settings: packages of an extra, files with secrets. `check` says what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from sentinel.sources.base import SourceError
from sentinel.sources.secrets import read_secret


def say_what_lacks(package: str | None, extra: str, **files: str | None) -> Iterator[str]:
    """Say it of a package (None = none is needed) and of files by the keys that name them, one line each."""
    if package is not None and find_spec(package) is None:
        yield f"the package {package} is not installed; it comes with pip install 'sentinel-ews[{extra}]'"
    for key, path in files.items():
        try:
            read_secret(path, key)
        except SourceError as error:
            yield f"{error}; it is read as soon as it can be"
