"""The web config file: TLS, users and headers of the page and /metrics, in the form of Prometheus' exporters.

Keys, values and relative paths (from the file's own folder) are those of exporter-toolkit, so `promtool check
web-config` reads it too. What cannot be done here is refused, never left out silently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from sentinel.config.notify import NamedPath
from sentinel.config.values import Fault, Part, Text

ClientAuth: TypeAlias = Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"]
_Version: TypeAlias = Literal["TLS12", "TLS13"]
_Curve: TypeAlias = Literal["CurveP256", "CurveP384", "CurveP521", "X25519"]
_Header: TypeAlias = Literal[
    "Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options", "X-XSS-Protection",
    "Strict-Transport-Security",
]  # fmt: skip
_BCRYPT = re.compile(r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}")


class TlsServerConfig(Part):
    """Certificates and what is asked of whoever connects."""

    cert_file: NamedPath
    """Certificate (PEM), with those between it and its authority."""
    key_file: NamedPath
    """Its key (PEM), without a passphrase."""
    client_auth_type: ClientAuth = "NoClientCert"
    """Need of clients for a certificate."""
    client_ca_file: NamedPath | None = None
    """Certificates (PEM) of the authorities that those of clients are checked against."""
    min_version: _Version = "TLS12"
    """Oldest version that is spoken."""
    max_version: _Version = "TLS13"
    """Newest version that is spoken."""
    cipher_suites: tuple[Text, ...] = ()
    """Of TLS 1.2, by their names in Go, such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256; none = those of OpenSSL."""
    prefer_server_cipher_suites: bool = True
    """True if the order of the server counts."""
    curve_preferences: Annotated[tuple[_Curve, ...], Field(max_length=1)] = ()
    """The curve of the exchange of keys; none = those of OpenSSL."""

    def _conflicts(self) -> Iterator[Fault]:
        if self.client_auth_type != "NoClientCert" and self.client_ca_file is None:
            yield Fault(("client_ca_file",), f"nothing came, and client_auth_type {self.client_auth_type} needs a file")
        if self.client_auth_type == "NoClientCert" and self.client_ca_file is not None:
            yield Fault(("client_auth_type",), "NoClientCert; beside a client_ca_file another is meant")
        if self.min_version > self.max_version:
            yield Fault(("min_version",), f"{self.min_version}; at most max_version {self.max_version} is allowed")


class HttpServerConfig(Part):
    """HTTP itself."""

    http2: bool = True
    """Allowed for the sake of shared files: only HTTP/1.1 is spoken, which every client of HTTP/2 speaks too."""
    headers: dict[_Header, Text] = Field(default_factory=dict)
    """Put into every answer, in place of sentinel's own."""


class WebFile(Part):
    """A whole file."""

    tls_server_config: TlsServerConfig | None = None
    """TLS; null = none."""
    http_server_config: HttpServerConfig = HttpServerConfig()
    """HTTP."""
    basic_auth_users: dict[Text, str] = Field(default_factory=dict)
    """Users, each with the bcrypt hash of the password; none = everybody."""

    def _conflicts(self) -> Iterator[Fault]:
        for user, secret in self.basic_auth_users.items():
            if not _BCRYPT.fullmatch(secret):  # it may be a password, and is not repeated
                yield Fault(("basic_auth_users", user), "no bcrypt hash; `htpasswd -nBC 10 NAME` makes one")
