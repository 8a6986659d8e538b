"""Secrets in files: read when they are needed, never kept in settings, never shown."""

from __future__ import annotations

from pathlib import Path

from sentinel.sources.base import SourceError


def read_secret(path: str | None, key: str) -> str | None:
    """Give the first line of a file, without blanks around it; None where no file is named.

    SourceError, with the key of the settings and never with what is in the file, where there is nothing to read.
    """
    if path is None:
        return None
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SourceError(
            f"{key}: {path}: {why}; a readable file with the secret in its first line is needed"
        ) from None
    secret = lines[0].strip() if lines else ""
    if not secret or not secret.isprintable():
        raise SourceError(f"{key}: {path}: no secret in the first line; write it there")
    return secret
