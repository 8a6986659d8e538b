"""One POST over HTTP for receivers, and what its answer means for what was sent."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any, Literal, NamedTuple, Protocol

from sentinel.client import ExchangeError, exchange
from sentinel.config.secrets import read_secret
from sentinel.domain.clock import MICROSECONDS

UNWANTED = (400, 413, 415, 422)
"""Answers that are about the content: sending the same again cannot help. All others may be mended at either end."""
MOST_OF_AN_ANSWER = 200


class Remote(Protocol):
    """The settings that receivers over HTTP share; see `config/notify.py`."""

    @property
    def timeout(self) -> int: ...  # noqa: D102
    @property
    def ca_file(self) -> Path | None: ...  # noqa: D102
    @property
    def username(self) -> str | None: ...  # noqa: D102
    @property
    def password_file(self) -> Path | None: ...  # noqa: D102
    @property
    def bearer_token_file(self) -> Path | None: ...  # noqa: D102


class Answer(NamedTuple):
    """Outcome of one POST."""

    outcome: Literal["delivered", "retry", "refused"]
    reason: str = ""


def to_json(value: object) -> bytes:
    """Write JSON in ASCII, with null for NaN and infinities: JSON has no word for them."""
    return json.dumps(_finite(value), separators=(",", ":"), allow_nan=False).encode("ascii")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def post(where: str, url: str, body: bytes, headers: Mapping[str, str], remote: Remote, deadline: float) -> Answer:
    """POST once, within the time-out and the deadline. `where` names the receiver in reasons, which hold no secret.

    Raises SecretMissing where a file with credentials cannot be read.
    """
    seconds = min(remote.timeout / MICROSECONDS, deadline - monotonic())
    if seconds <= 0.0:
        return Answer("retry", f"{where}: no time is left; it is tried again")
    token = None if remote.bearer_token_file is None else read_secret(remote.bearer_token_file)
    login = None
    if remote.username is not None and remote.password_file is not None:
        login = remote.username, read_secret(remote.password_file)
    try:
        answer = exchange(
            "POST", url, seconds, content=body, headers={"content-type": "application/json", **headers}, login=login,
            token=token, ca_file=remote.ca_file, enough=MOST_OF_AN_ANSWER,
        )  # fmt: skip
    except ExchangeError as error:
        return Answer("retry", f"{where}: {error}; it is tried again")
    if 200 <= answer.status < 300:
        return Answer("delivered")
    said = answer.body[:MOST_OF_AN_ANSWER].decode("utf-8", "replace").split("\n")[0].strip()
    outcome: Literal["retry", "refused"] = "refused" if answer.status in UNWANTED else "retry"
    what = "it is not sent again" if outcome == "refused" else "it is tried again"
    return Answer(outcome, f"{where}: answer {answer.status}{f' ({said})' if said else ''}; {what}")
