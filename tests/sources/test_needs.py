"""What is said before the start of what a source needs and does not have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sentinel.config import from_mapping
from sentinel.domain.clock import Clock
from sentinel.sources import make_sources, needs

SOURCES: list[dict[str, Any]] = [
    {"kind": "push", "token_file": "FILE"},
    {"kind": "prometheus", "url": "http://h", "queries": ["up"], "token_file": "FILE"},
    {"kind": "sql", "database": "postgresql://u@h/d", "query": "SELECT 1", "password_file": "FILE"},
    {"kind": "mqtt", "url": "mqtt://h", "topics": ["a"], "username": "u", "password_file": "FILE"},
]


@pytest.mark.parametrize("settings", SOURCES, ids=lambda settings: settings["kind"])
def test_a_secret_or_a_package_that_is_not_there_is_said(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    given = {key: str(secret) if value == "FILE" else value for key, value in settings.items()} | {"name": "s"}
    (source,) = make_sources(from_mapping({"sources": [given]}).sources, Clock())
    (line,) = source.remarks()
    assert "_file: " in line
    assert "No such file" in line
    secret.write_text("\n")
    assert "one line that is the secret is needed" in source.remarks()[0]
    secret.write_text("s3cret\n")
    assert source.remarks() == ()
    monkeypatch.setattr(needs, "find_spec", lambda _: None)
    assert [f"'sentinel-ews[{settings['kind']}]'" in line for line in source.remarks()] == [True] * (
        settings["kind"] != "prometheus"
    )


@pytest.mark.parametrize("settings", SOURCES, ids=lambda settings: settings["kind"])
def test_secrets_of_sources_are_found_where_systemd_puts_them_as_those_of_receivers_are(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    given = {key: "secret" if value == "FILE" else value for key, value in settings.items()} | {"name": "s"}
    (source,) = make_sources(from_mapping({"sources": [given]}).sources, Clock())
    assert "_file: secret: No such file" in source.remarks()[0]
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert source.remarks() == ()
