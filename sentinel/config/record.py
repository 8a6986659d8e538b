"""Settings as other programs and later starts read them: a JSON record, a short hash, a JSON Schema."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from sentinel.config.faults import faults_of, path_text
from sentinel.config.series import BankSettings
from sentinel.config.settings import Settings
from sentinel.domain.errors import StateError


def to_record(settings: Settings) -> dict[str, Any]:
    """Return JSON-ready data that `from_record` reads back to equal settings."""
    return settings.model_dump(mode="json")


def from_record(data: Mapping[str, Any]) -> Settings:
    """Return the settings that this or an earlier version recorded.

    Raises
    ------
    StateError
        This program cannot follow them: a later version wrote them, or they change a key that has gone.
    """
    try:
        return Settings.model_validate(_without_retired_keys(data))
    except ValidationError as error:
        first = next(faults_of(error, Settings, lambda path: _value_at(data, path)))
        raise StateError(
            f"recorded settings, {path_text(first.path)}: {first.message}; settings of this version are needed; go "
            "back to the version that wrote the state folder, or move the folder away to start afresh"
        ) from error


def _without_retired_keys(data: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the keys of banks that have gone, where they hold what is constant now."""
    banks = {
        name: {key: value for key, value in bank.items() if not BankSettings.has_gone(key, value)}
        for name, bank in data.get("banks", {}).items()
    }
    return {**data, "banks": banks}


def _value_at(data: Any, path: tuple[str | int, ...]) -> str:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return "nothing"
    return str(data)


def fingerprint(part: BaseModel) -> str:
    """Return the first 16 hex digits of the SHA-256 of the canonical JSON: keys sorted, no spaces."""
    canonical = json.dumps(part.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def schema_text() -> str:
    """Return the JSON Schema of a configuration file, as it stands in ``config/sentinel.schema.json``."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Settings.model_json_schema(mode="validation"),
        "title": "sentinel configuration",
        "minProperties": 1,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
