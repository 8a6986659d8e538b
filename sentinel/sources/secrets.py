"""Secrets of sources: read from their files when they are needed, never kept in settings, never shown."""

from __future__ import annotations

from pathlib import Path

from sentinel.config import secrets
from sentinel.sources.base import SourceError


def read_secret(path: str | None, key: str) -> str | None:
    """Give what a file holds, None where none is named; SourceError, with the key of the settings, if it holds none."""
    if path is None:
        return None
    try:
        return secrets.read_secret(Path(path))
    except secrets.SecretMissing as error:
        raise SourceError(f"{key}: {error}") from None
