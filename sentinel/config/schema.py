"""The JSON Schema of a configuration file, generated from the settings; editors complete and check with it."""

from __future__ import annotations

import json

from sentinel.config.settings import Settings


def schema_text() -> str:
    """The schema as it stands in ``config/sentinel.schema.json``."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Settings.model_json_schema(mode="validation"),
        "title": "sentinel configuration",
        "minProperties": 1,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
