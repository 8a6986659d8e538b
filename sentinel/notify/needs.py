"""Needs of a receiver beside its settings: files with secrets, a program. `check` says what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec

from sentinel.config import ExecNotify, Notify, RemoteWriteNotify
from sentinel.config.secrets import SecretMissing, read_secret

SECRETS = ("password_file", "bearer_token_file", "secret_file", "url_file")


def say_what_lacks(settings: Notify) -> Iterator[str]:
    """Say what is not there now, one line each. No fault: it may come, and every event is tried again until then."""
    for key in SECRETS:
        path = getattr(settings, key, None)
        try:
            if path is not None:
                read_secret(path)
        except SecretMissing as error:
            yield f"{key}: {error}"
    certificates = getattr(settings, "ca_file", None)
    if certificates is not None and not certificates.exists():
        yield f"ca_file: {certificates}: No such file; one with the certificates of authorities is needed"
    if isinstance(settings, RemoteWriteNotify) and find_spec("cramjam") is None:
        yield "the package cramjam is not there: pip install 'sentinel-ews[push]'"
    if isinstance(settings, ExecNotify) and shutil.which(settings.command[0]) is None:
        yield f"command: {settings.command[0]}: not found; a program that can be run is needed"
