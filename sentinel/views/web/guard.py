"""Who may ask the server: TLS, users and headers by its web config file, and the names of the host. The door to bcrypt.

The files are looked at again and again: another certificate, user or header holds without a restart. What a handshake
has been set up with (versions, ciphers, the authorities of clients) and whether there is TLS at all holds until then.

A page on the internet can make its own name lead to this machine (DNS rebinding), and the browser of somebody who looks
at it would then read the status page for it. Such a request carries that name as its `Host`.
"""

from __future__ import annotations

import logging
import ssl
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import TypeAlias

import bcrypt
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sentinel.config import TlsServerConfig, WebSettings, load_web_file
from sentinel.domain.errors import ConfigError

logger = logging.getLogger(__name__)

AT_ONCE = 2
"""Passwords that are tried at the same time: whoever guesses must not take the whole processor."""
MOST_REMEMBERED = 1_000
"""Passwords that were right once; bcrypt takes long on purpose, and a scraper comes every few seconds."""
_VERIFY = {
    "NoClientCert": ssl.CERT_NONE, "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}  # fmt: skip
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
_OF_NOBODY = "$2b$10$" + 53 * "."
"""Compared for a user that there is not: the answer takes as long."""
_Stamp: TypeAlias = tuple[tuple[int, int, int] | None, ...]


class Guard:
    """One web config file, as it was last read without a fault. ConfigError if it cannot be used at the start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = load_web_file(path)
        self._right: set[bytes] = set()
        tls = self._file.tls_server_config
        self.context = None if tls is None else self._make_context(tls)
        """The context of TLS, None without it."""
        self._stamp = self._look()

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Headers of every answer."""
        return [(name.lower().encode(), text.encode()) for name, text in self._file.http_server_config.headers.items()]

    @property
    def has_users(self) -> bool:
        """True if a password is needed."""
        return bool(self._file.basic_auth_users)

    def refresh(self) -> None:
        """Read the files again if one of them has changed; what cannot be used is said in the log, the old holds."""
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            file = load_web_file(self._path)
            self._use(file.tls_server_config)
        except ConfigError as error:
            logger.error("web config file not read again; the old one holds", extra={"why": str(error)})
            return
        self._file = file
        self._right.clear()
        self._stamp = self._look()
        logger.info("web config file read again", extra={"file": str(self._path)})

    def allows(self, header: str) -> bool:
        """Say whether an Authorization header names a user with the right password; takes long the first time."""
        user, password = credentials(header)
        secret = self._file.basic_auth_users.get(user, _OF_NOBODY)
        token = sha256(b"\0".join((user.encode(), secret.encode(), password))).digest()
        if token in self._right:
            return True
        if b"\0" in password:  # bcrypt would end there
            return False
        is_right = bcrypt.checkpw(password[:72], secret.encode()) and user in self._file.basic_auth_users
        if is_right:
            if len(self._right) >= MOST_REMEMBERED:
                self._right.clear()
            self._right.add(token)
        return is_right

    def _use(self, tls: TlsServerConfig | None) -> None:
        """Use the certificate of a file that was read again."""
        before = self._file.tls_server_config
        names = {"cert_file", "key_file"}
        if (tls is None) != (before is None) or (
            tls is not None and before is not None and tls.model_dump(exclude=names) != before.model_dump(exclude=names)
        ):
            logger.warning("of the web config file, TLS but for certificate and key changes at a restart")
        if tls is not None and self.context is not None:
            # Tried elsewhere first: a key that does not fit its certificate would leave neither in place.
            self._load_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls)
            self._load_certificate(self.context, tls)

    def _make_context(self, tls: TlsServerConfig) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version, context.maximum_version = _VERSIONS[tls.min_version], _VERSIONS[tls.max_version]
        context.set_alpn_protocols(["http/1.1"])
        if not tls.prefer_server_cipher_suites:
            context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        for curve in tls.curve_preferences:
            context.set_ecdh_curve(_CURVES[curve])
        try:
            if tls.cipher_suites:
                context.set_ciphers(":".join(map(_in_openssl, tls.cipher_suites)))
        except ssl.SSLError:
            raise ConfigError(f"{self._path}: tls_server_config.cipher_suites: none of these is known") from None
        self._load_certificate(context, tls)
        if tls.client_ca_file is not None:
            try:
                context.load_verify_locations(self._beside(tls.client_ca_file))
            except (OSError, ssl.SSLError) as error:
                raise self._unusable("client_ca_file", tls.client_ca_file, error) from None
        context.verify_mode = _VERIFY[tls.client_auth_type]
        return context

    def _load_certificate(self, context: ssl.SSLContext, tls: TlsServerConfig) -> None:
        try:
            # Without a passphrase: OpenSSL would ask for it on the terminal.
            context.load_cert_chain(self._beside(tls.cert_file), self._beside(tls.key_file), password="")
        except (OSError, ssl.SSLError, ValueError) as error:
            raise self._unusable("cert_file and key_file", tls.cert_file, error) from None

    def _unusable(self, key: str, path: Path, error: Exception) -> ConfigError:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return ConfigError(f"{self._path}: tls_server_config.{key}: {self._beside(path)}: {why}; PEM files are needed")

    def _beside(self, path: Path) -> Path:
        return self._path.parent / path

    def _look(self) -> _Stamp:
        """Tell the files as they are now, so that a change is seen."""
        tls = self._file.tls_server_config
        paths = [self._path, *([] if tls is None else map(self._beside, (tls.cert_file, tls.key_file)))]
        return tuple(map(_stamp, paths))


class Guarded:
    """Lets only users through, where the web config file has any; requests that need a token need no user."""

    def __init__(self, app: ASGIApp, guard: Guard, has_token: Callable[[Scope], bool]) -> None:
        self._app, self._guard, self._has_token = app, guard, has_token
        self._limiter: CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 to whoever is no user."""
        if self._guard.has_users and not self._has_token(scope) and not await self._allows(scope):
            challenge = {"www-authenticate": 'Basic realm="sentinel", charset="UTF-8"'}
            await PlainTextResponse("A user and the password are needed.\n", 401, challenge)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _allows(self, scope: Scope) -> bool:
        self._limiter = self._limiter or CapacityLimiter(AT_ONCE)
        header = Headers(scope=scope).get("authorization", "")
        return await run_sync(self._guard.allows, header, limiter=self._limiter)


class AllowedHosts:
    """Answers requests for loopback, for the address that is listened on, and for the names in `web.hosts`.

    On a wildcard address (0.0.0.0, ::) every numeric address counts as listened on: rebinding needs a name.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        listen = settings.address[0].lower()
        self._names = {"localhost", listen, *(name.lower() for name in settings.hosts)}
        self._any_address = _is(listen, "is_unspecified")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, or refuse with what is allowed."""
        header = Headers(scope=scope).get("host")  # only HTTP/1.0 may leave it out, and no browser speaks that
        if header is None or self._allows(host_of(header)):
            await self._app(scope, receive, send)
            return
        text = f"Host: {header!r} is not a name of this server; the key hosts in the section web allows further ones\n"
        await PlainTextResponse(text, status_code=400)(scope, receive, send)

    def _allows(self, host: str) -> bool:
        is_address = _is(host, "version")
        return host in self._names or _is(host, "is_loopback") or (is_address and self._any_address)


def host_of(header: str) -> str:
    """Give the host of a Host header, without port and brackets, in small letters."""
    host = header.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


def _is(host: str, what: str) -> bool:
    """Tell if a host is an address with this property of `ip_address`, such as `is_loopback`; a name has none."""
    try:
        return bool(getattr(ip_address(host), what))
    except ValueError:
        return False


def credentials(header: str) -> tuple[str, bytes]:
    """Read user and password from a header; of none the user is empty."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return "", b""
    try:
        user, _, password = b64decode(text.strip(), validate=True).partition(b":")
        return user.decode(), password
    except (Base64Error, UnicodeDecodeError):
        return "", b""


def _in_openssl(name: str) -> str:
    """Spell a cipher suite of TLS 1.2 as OpenSSL does: ECDHE-RSA-AES128-GCM-SHA256."""
    for there, here in (("TLS_", ""), ("_WITH_", "-"), ("AES_", "AES"), ("_", "-"), ("POLY1305-SHA256", "POLY1305")):
        name = name.replace(there, here)
    return name


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
