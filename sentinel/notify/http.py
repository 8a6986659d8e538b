"""One POST over HTTP for receivers, and what its answer means for what was sent."""

from __future__ import annotations

import json
import math
import ssl
from base64 import b64encode
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from time import monotonic
from typing import Any, Literal, NamedTuple, Protocol
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from sentinel import __version__
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
    """What became of one POST."""

    outcome: Literal["delivered", "retry", "refused"]
    reason: str = ""


class _NoRedirect(HTTPRedirectHandler):
    """A redirect is an answer, not a way: a POST that is redirected would become a GET, or go to somebody else."""

    def redirect_request(self, *_: Any) -> None:
        return None


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
    sent = {"content-type": "application/json", "user-agent": f"sentinel/{__version__}", **headers, **_login(remote)}
    try:
        # A new context each time: certificates may have been renewed.
        context = ssl.create_default_context(cafile=None if remote.ca_file is None else str(remote.ca_file))
        opener = build_opener(_NoRedirect, HTTPSHandler(context=context))
        with opener.open(Request(url, body, sent, method="POST"), timeout=seconds):
            return Answer("delivered")
    except HTTPError as error:
        with error:
            said = error.read(MOST_OF_AN_ANSWER).decode("utf-8", "replace").split("\n")[0].strip()
        outcome: Literal["retry", "refused"] = "refused" if error.code in UNWANTED else "retry"
        what = "it is not sent again" if outcome == "refused" else "it is tried again"
        return Answer(outcome, f"{where}: answer {error.code}{f' ({said})' if said else ''}; {what}")
    except URLError as error:
        return Answer("retry", f"{where}: {_say(error.reason)}; it is tried again")
    except (OSError, HTTPException, ValueError) as error:
        return Answer("retry", f"{where}: {_say(error)}; it is tried again")


def _login(remote: Remote) -> dict[str, str]:
    if remote.bearer_token_file is not None:
        return {"authorization": f"Bearer {read_secret(remote.bearer_token_file)}"}
    if remote.username is not None and remote.password_file is not None:
        pair = f"{remote.username}:{read_secret(remote.password_file)}"
        return {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    return {}


def _say(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    # The text of other errors may hold the address, which may be a secret.
    return type(reason).__name__ if not isinstance(reason, str) else reason
