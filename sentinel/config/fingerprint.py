"""A short stable hash of settings, to tell whether state still belongs to them."""

from __future__ import annotations

import hashlib
import json

from pydantic import BaseModel


def fingerprint(part: BaseModel) -> str:
    """First 16 hex digits of the SHA-256 of the canonical JSON: keys sorted, no spaces, values as dumped."""
    canonical = json.dumps(part.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
