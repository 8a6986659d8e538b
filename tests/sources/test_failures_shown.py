"""Failures of sources as they are shown on a page and in the log: without secrets."""

from __future__ import annotations

from threading import Event

import pytest

from sentinel.config import HttpSource
from sentinel.domain.clock import Clock
from sentinel.domain.errors import DataError
from sentinel.domain.metrics import Metrics
from sentinel.domain.states import SourceStatus
from sentinel.runtime.contact import Contact
from sentinel.runtime.inbox import Inbox
from sentinel.sources import PullSource, SourceError, make_source
from tests.sources.answering import answering, send


@pytest.mark.parametrize("status", [403, 404, 413, 503])
def test_bug_a_signed_address_that_a_server_leads_to_was_shown_on_the_page_of_sources(status: int) -> None:
    with answering() as server, answering() as other:
        to = f"{other.url}/it's?X-Amz-Signature='s3cret s3cret"
        server.answer = lambda handler, _: send(handler, 302, b"", Location=to)
        other.answer = lambda handler, _: send(handler, status, b'<a href="HTTP://u:s3cret@x/y?k=\'s3cret">')
        source = make_source(HttpSource.model_validate({"kind": "http", "name": "lake", "url": server.url}), Clock())
        assert isinstance(source, PullSource)
        statuses: dict[str, SourceStatus] = {}
        contact = Contact(source, Inbox(1), statuses, Metrics(), Clock(), Event())
        with pytest.raises((SourceError, DataError)) as caught:
            source.fetch(None)
        contact.fail(caught.value)
    assert "s3cret" not in statuses["lake"].failure
    assert f"{other.url}/it's?***: HTTP status {status}: <a href=\"HTTP://***@x/y?***" in statuses["lake"].failure
