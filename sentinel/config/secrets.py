"""Secrets: those in files are read anew each time, so that a rotation needs no restart; what they are is never said."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

LONGEST = 65_536
_PARAMETER = re.compile(r"(;[^=;/]*=)[^;/]+?(?=[',.:)]*(?:[;/]|$))")
_OPTION = re.compile(r"--[A-Za-z][\w-]*(?==|\Z)")


class SecretMissing(Exception):  # noqa: N818 - says what is the matter
    """A file that should hold a secret cannot be read, or is empty; the message names the file."""


def hide_query(address: str) -> str:
    """Leave out what is behind `?` or `#` in an address: services have keys there. See `hide_queries` too."""
    with suppress(ValueError):
        parts = urlsplit(address)
        if parts.scheme in ("http", "https") and (parts.query or parts.fragment):
            address = parts._replace(query="***", fragment="").geturl()
    return hide_queries(address)


def hide_queries(text: str) -> str:
    """Leave out of the addresses in a sentence what is behind `?` or `#` and `;NAME=` in paths, and who signs in."""
    text = re.sub(r"(?i)(https?://)[^\s/?#]*@", r"\1***@", text)
    text = re.sub(r"(?i)https?://[^\s?#;]*;[^\s?#]*", lambda found: _PARAMETER.sub(r"\1***", found[0]), text)
    return re.sub(r"(?i)(https?://[^\s?#]*)[?#]\S*?(?=[',.:;)]*(?:\s|$))", r"\1?***", text)


def may_be_secret(path: Sequence[str | int]) -> bool:
    """Tell by the path of a key if its value may hold a secret: a header of requests, or the command of a program."""
    return path[:1] in (("sources",), ("notify",)) and len(path) > 2 and path[2] in ("headers", "command")


def hide_value(path: Sequence[str | int], text: str) -> str:
    """Leave out a value that may hold a secret; of a command the program and the names of options stay."""
    if not may_be_secret(path) or path[2:] == ("command", 0):
        return text
    option = _OPTION.match(text) if path[2] == "command" else None
    return f"{option[0]}{'=***' if '=' in text else ''}" if option else "***"


def read_secret(path: Path) -> str:
    """Give the content of a file without the line break at its end.

    A relative path is looked for in $CREDENTIALS_DIRECTORY first, where systemd's `LoadCredential=` puts it. Raises
    SecretMissing.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    candidates = [Path(folder) / path, path] if folder and not path.is_absolute() else [path]
    found = next((each for each in candidates if each.exists()), candidates[0])
    try:
        with found.open(encoding="utf-8") as file:
            secret = file.read(LONGEST).rstrip("\r\n")
    except OSError as error:
        raise SecretMissing(f"{found}: {error.strerror}; a file that holds the secret is needed") from None
    except UnicodeDecodeError:
        raise SecretMissing(f"{found}: not UTF-8; a file that holds the secret as text is needed") from None
    if not secret.strip() or not secret.isprintable():
        raise SecretMissing(f"{found}: empty, several lines or odd characters; one line that is the secret is needed")
    return secret
