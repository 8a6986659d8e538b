"""The status page, the JSON behind it, health, and the door for the scraper. Read-only."""

from __future__ import annotations

from sentinel.views.web.app import Reader, Vitals, create_app
from sentinel.views.web.server import WebServer

__all__ = ["Reader", "Vitals", "WebServer", "create_app"]
