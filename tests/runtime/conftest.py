"""What several tests of the engine set before they begin."""

from __future__ import annotations

import pytest

import sentinel.runtime.engine
import sentinel.runtime.outbox


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again with the next turn."""
    monkeypatch.setattr(sentinel.runtime.engine, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(sentinel.runtime.outbox, "FIRST_RETRY_SECONDS", 0.0)
