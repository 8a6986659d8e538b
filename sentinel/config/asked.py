"""The keys that sources share which ask a server: its address, and who asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from sentinel.config.sources import NamedSource
from sentinel.config.values import Fault, PositiveDuration, Text, require
from sentinel.domain.spans import SECOND

_Header: TypeAlias = Annotated[
    str, AfterValidator(require(lambda text: text.isprintable() and text.isascii(), "printable ASCII text is allowed"))
]
_SECRET_HEADERS = {"authorization", "proxy-authorization", "cookie"}


def address(schemes: tuple[str, ...], example: str) -> AfterValidator:
    """Check the address of a server, without secrets in it."""
    form = f"{' or '.join(f'{scheme}://' for scheme in schemes)} and a host, such as {example}"

    def check(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in schemes or not parts.hostname or parts.port == 0:
            raise ValueError(form)
        if parts.password is not None:
            # Settings are shown on pages and kept in the journal.
            raise ValueError("a password in the address; leave it out and name a file that holds it (password_file)")
        if parts.query or parts.fragment:
            raise ValueError(f"an address without ? and # is needed: {form}")
        return text

    return AfterValidator(check)


def web_address(example: str) -> AfterValidator:
    """Check the address of a web server."""
    return address(("http", "https"), example)


class ServerKeys(NamedSource):
    """The keys of every source that connects to a server with a name and a password."""

    username: Text | None = None
    """Name at the server; with password_file."""
    password_file: Text | None = None
    """File that holds the password; a relative path is looked for in $CREDENTIALS_DIRECTORY first."""
    ca_file: Text | None = None
    """Certificates (PEM) that the server's one is checked against; null = those of the machine."""
    timeout: PositiveDuration = 30 * SECOND
    """Longest time that a connection and an answer may take in all."""

    def _conflicts(self) -> Iterator[Fault]:
        if self.password_file is not None and self.username is None:
            yield Fault(("password_file",), f"'{self.password_file}' without a username; set username as well")
        if self.username is not None and self.password_file is None:
            yield Fault(("username",), f"'{self.username}' without a password; set password_file as well")


class WebKeys(ServerKeys):
    """The keys of every source that asks an HTTP server."""

    token_file: Text | None = None
    """File that holds a token; a relative path is looked for in $CREDENTIALS_DIRECTORY first."""
    token_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "Authorization"
    """Header that carries the token; Authorization = as a bearer token."""
    headers: dict[Text, _Header] = Field(default_factory=dict)
    """Further lines of each request, such as {X-Scope-OrgID: lakes}; no secrets: settings are shown."""

    def _conflicts(self) -> Iterator[Fault]:
        yield from super()._conflicts()
        if self.token_file is not None and self.username is not None:
            yield Fault(("token_file",), "a token and a username; one of them is allowed")
        for name in self.headers:
            if name.lower() in _SECRET_HEADERS:
                why = "holds a secret, and settings are shown; set token_file, or username with password_file"
                yield Fault(("headers", name), why)
