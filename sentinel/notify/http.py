"""One POST over HTTP for receivers, and what its answer means for what was sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from time import monotonic

from sentinel.client import ExchangeError, exchange
from sentinel.config.notify import RemoteKeys
from sentinel.config.secrets import SecretMissing, read_secret
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.printing import for_json
from sentinel.notify.base import Answer

UNWANTED = (400, 413, 415, 422)
"""Answers that are about the content: sending the same again cannot help. All others may be mended at either end."""
MOST_OF_AN_ANSWER = 200


def to_json(value: object) -> bytes:
    """Write JSON in ASCII, with null for NaN and infinities: JSON has no word for them."""
    return json.dumps(for_json(value), separators=(",", ":"), allow_nan=False).encode("ascii")


def post(where: str, url: str, body: bytes, headers: Mapping[str, str], remote: RemoteKeys, deadline: float) -> Answer:
    """POST once, within the time-out and the deadline. `where` names the receiver in reasons, which hold no secret."""
    seconds = min(remote.timeout / MICROSECONDS, deadline - monotonic())
    if seconds <= 0.0:
        return Answer("retry", f"{where}: no time is left; it is tried again")
    try:
        token = None if remote.bearer_token_file is None else read_secret(remote.bearer_token_file)
        login = None
        if remote.username is not None and remote.password_file is not None:
            login = remote.username, read_secret(remote.password_file)
        answer = exchange(
            "POST", url, seconds, content=body, headers={"content-type": "application/json", **headers}, login=login,
            token=token, ca_file=remote.ca_file, enough=MOST_OF_AN_ANSWER,
        )  # fmt: skip
    except SecretMissing as error:
        return Answer("retry", f"{where}: {error}")
    except ExchangeError as error:
        return Answer("retry", f"{where}: {error}; it is tried again")
    if 200 <= answer.status < 300:
        return Answer("delivered")
    said = answer.body[:MOST_OF_AN_ANSWER].decode("utf-8", "replace").split("\n")[0].strip()
    why = f"{where}: answer {answer.status}{f' ({said})' if said else ''}"
    if answer.status in UNWANTED:
        return Answer("refused", f"{why}; it is not sent again")
    return Answer("retry", f"{why}; it is tried again")
