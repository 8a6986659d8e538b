"""The status page, the JSON behind it, health, and the door for the scraper. Read-only."""

from __future__ import annotations

from sentinel.web.app import Reader, Vitals, create_app
from sentinel.web.server import WebServer

__all__ = ["Reader", "Vitals", "WebServer", "create_app"]
