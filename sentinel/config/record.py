"""Settings as the journal keeps them: the ones that moved the state, read back after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from sentinel.config.settings import Settings
from sentinel.domain.errors import StateError


def to_record(settings: Settings) -> dict[str, Any]:
    """JSON-ready data that `from_record` reads back to equal settings."""
    return settings.model_dump(mode="json")


def from_record(data: Mapping[str, Any]) -> Settings:
    """The settings that were recorded. StateError if this program does not know them: another version wrote them."""
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise StateError(
            f"recorded settings, {key}: {first['msg']}; settings of this version are needed; go back to the version "
            "that wrote the state folder, or move the folder away to start afresh"
        ) from error
