"""The status page, the JSON behind it, health, and the door for the scraper. Read-only."""

from __future__ import annotations

from sentinel.views.web.app import Access, create_app
from sentinel.views.web.server import WebServer

__all__ = ["Access", "WebServer", "create_app"]
