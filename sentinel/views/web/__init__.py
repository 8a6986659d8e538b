"""The status page, the JSON behind it, health, and the door for the scraper. Read-only."""

from sentinel.views.web.app import WebServer, create_app
from sentinel.views.web.pages import Access

__all__ = ["Access", "WebServer", "create_app"]
