"""Webhooks, against a real HTTP server."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import pytest
import yaml

from sentinel.config import Settings, WebhookNotify, settings_text
from sentinel.config.secrets import hide_queries, hide_query
from sentinel.notify import Delivery, make_notifier
from tests.notify.conftest import Web
from tests.notify.test_notify import CLEARED, EVENT, soon
from tests.sources.answering import answering

SECRET = "key of the signature"


def hook(web: Web, **more: object) -> WebhookNotify:
    return WebhookNotify.model_validate({"kind": "webhook", "url": f"{web.address}/alarms?of=lakes", **more})


@pytest.mark.parametrize(
    "behind", ["?key=s3cret", "?k='s3cret", '?k="s3cret', "?k=a s3cret", f"?{'k' * 99} s3cret", "#s3cret"]
)
@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_bug_settings_that_are_shown_had_what_followed_a_quote_or_a_space_in_a_query(
    web: Web, scheme: str, behind: str
) -> None:
    settings = hook(web, url=f"{scheme}://chat.example.org/it's/7{behind}")
    assert "s3cret" not in make_notifier(settings).describe()
    shown = settings_text(Settings(notify=[settings]))
    assert "s3cret" not in shown
    assert yaml.safe_load(shown)["notify"][0]["url"] == "https://chat.example.org/it's/7?***"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("https://u:p@h.org/x?y=1", "https://***@h.org/x?***"),
        ("https://h.org/a;b;key=s3cret;c=s3cret/d", "https://h.org/a;b;key=***;c=***/d"),
        ("see 'https://h.org/x;key=s.3=='; k=1; and https://h.org/y?k=s: HTTP status 4",
         "see 'https://h.org/x;key=***'; k=1; and https://h.org/y?***: HTTP status 4"),
        ("a;b=c?d is no address", "a;b=c?d is no address"),
    ],
)  # fmt: skip
def test_bug_addresses_that_are_shown_had_the_keys_in_their_paths_and_beside_a_query_who_signs_in(
    said: str, shown: str
) -> None:
    assert hide_queries(said) == hide_query(said) == shown


@pytest.mark.parametrize(
    "address", ["htps://h.example.org/s3cret", "h.example.org/s3cret", "http:///s3cret", "http://h:x/s3cret"]
)
def test_bug_a_mistyped_address_was_called_unsupported_protocol(web: Web, tmp_path: Path, address: str) -> None:
    (tmp_path / "address").write_text(address)
    found = make_notifier(hook(web, url=None, url_file=str(tmp_path / "address"))).send([EVENT], soon())
    why = "its address is none; http:// or https:// and a host are needed; it is tried again"
    assert found == Delivery("retry", 0, f"notify webhook: {why}")


def test_each_event_is_a_post_of_its_own_with_its_key_in_order(web: Web) -> None:
    assert make_notifier(hook(web)).send([EVENT, CLEARED], soon()) == Delivery("delivered", 2)
    assert [path for path, _, _ in web.got] == ["/alarms?of=lakes"] * 2
    assert [headers["idempotency-key"] for _, headers, _ in web.got] == ["a1b2/raised", "a1b2/cleared"]
    body = json.loads(web.got[0][2])
    assert body == EVENT | {"lag1_high": None}
    assert web.got[0][1]["content-type"] == "application/json"
    assert "sentinel-signature" not in web.got[0][1]


def test_the_signature_is_that_of_time_and_body_and_the_secret_may_be_rotated(web: Web, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    notifier = make_notifier(hook(web, secret_file=str(file)))
    for secret in (SECRET, "another"):
        file.write_text(secret + "\n")
        assert notifier.send([EVENT], soon()).outcome == "delivered"
        _, headers, body = web.got[-1]
        said = headers["sentinel-timestamp"].encode() + b"." + body
        expected = hmac.new(secret.encode(), said, hashlib.sha256).hexdigest()
        assert headers["sentinel-signature"] == f"sha256={expected}"


def test_secrets_are_found_in_the_folder_that_systemd_names(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("t0ken")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert make_notifier(hook(web, bearer_token_file="token")).send([EVENT], soon()).outcome == "delivered"
    assert web.got[0][1]["authorization"] == "Bearer t0ken"


def test_a_missing_secret_is_named_and_tried_again_and_nothing_is_sent(web: Web, tmp_path: Path) -> None:
    for content in (None, "", "two\nlines\n"):
        if content is not None:
            (tmp_path / "secret").write_text(content)
        outcome, sent, reason = make_notifier(hook(web, secret_file=str(tmp_path / "secret"))).send([EVENT], soon())
        assert (outcome, sent) == ("retry", 0)
        assert str(tmp_path / "secret") in reason
        assert "two" not in reason
    assert web.got == []


@pytest.mark.parametrize("code", [301, 401, 403, 404, 408, 429, 500, 503])
def test_what_either_end_may_mend_is_tried_again(web: Web, code: int) -> None:
    web.answers = [200, code]
    outcome, sent, reason = make_notifier(hook(web)).send([EVENT, CLEARED], soon())
    assert (outcome, sent) == ("retry", 1)
    assert f"answer {code}" in reason
    assert len(web.got) == 2, "a redirect is not followed"


@pytest.mark.parametrize("code", [400, 413, 422])
def test_an_event_that_is_not_wanted_is_refused_and_those_before_it_were_sent(web: Web, code: int) -> None:
    web.answers = [200, code]
    assert make_notifier(hook(web)).send([EVENT, CLEARED], soon())[:2] == ("refused", 1)


def test_no_server_and_a_server_that_never_answers_are_tried_again_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = monotonic()
        settings = WebhookNotify(kind="webhook", url=f"http://127.0.0.1:{port}/", timeout=200_000)
        outcome, sent, reason = make_notifier(settings).send([EVENT], soon())
        assert (outcome, sent) == ("retry", 0)
        assert "no answer in time" in reason
        assert monotonic() - began < 3.0
    reason = make_notifier(settings).send([EVENT], soon()).reason
    assert "refused" in reason


def test_an_address_that_is_a_secret_is_never_said(web: Web, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{web.address}/T0P/S3CRET\n")
    settings = WebhookNotify(kind="webhook", url_file=tmp_path / "url")
    notifier = make_notifier(settings)
    web.answers = [500, 400]
    said = [notifier.send([EVENT], soon()).reason, notifier.send([EVENT], soon()).reason, notifier.describe()]
    (tmp_path / "url").write_text("nonsense S3CRET\n")
    said.append(notifier.send([EVENT], soon()).reason)
    said.append(settings.model_dump_json())
    assert web.got[0][0] == "/T0P/S3CRET"
    assert all("S3CRET" not in text for text in said), said


def test_of_an_answer_without_end_the_beginning_is_enough_and_a_slow_one_is_late() -> None:
    over, at_once = Event(), [500]

    def endless(handler: Any, _: object) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.write(b"x" * at_once[0])
        handler.wfile.flush()
        over.wait(10)

    with answering() as server:
        server.answer = endless
        settings = WebhookNotify(kind="webhook", url=server.url, timeout=500_000)
        for at_once[0], outcome in ((500, "delivered"), (1, "retry")):
            assert make_notifier(settings).send([EVENT], soon()).outcome == outcome
        over.set()
