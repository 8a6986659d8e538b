"""Notifier `email`: one mail per event over SMTP; the end of an alarm is an answer to the mail of its beginning."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate
from time import monotonic
from urllib.parse import quote

from sentinel.config import SLOWER, EmailNotify
from sentinel.config.secrets import SecretMissing, read_secret
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.drills import is_drill
from sentinel.domain.spans import duration_in_words
from sentinel.notify.base import Delivery, Event, Notifier, end_in_words, idempotence_key, page_of

_NUMBERS = ("lag1", "lag1_low", "lag1_high", "evidence", "e_value", "alpha", "threshold")


class EmailNotifier(Notifier):
    """Sends mail through one server, with one connection per batch."""

    def __init__(self, settings: EmailNotify) -> None:
        super().__init__(settings.name)
        self._settings, self._clock = settings, Clock()

    def describe(self) -> str:
        """Say who gets mail, through which server."""
        settings = self._settings
        return f"a mail per event to {', '.join(settings.to)} through {settings.host}:{settings.port} ({settings.tls})"

    def send(self, batch: Sequence[Event], deadline: float) -> Delivery:
        """Send one mail after the other; see `Notifier.send`. A mail that the server refuses for good is refused."""
        where, count = f"notify {self.name}: {self._settings.host}", 0
        try:
            with self._connect(deadline) as server:
                for count, event in enumerate(batch):
                    if monotonic() > deadline:
                        return Delivery("retry", count, f"{where}: too slow; it is tried again")
                    server.send_message(self.message_of(event))
        except SecretMissing as error:
            return Delivery("retry", count, f"notify {self.name}: {error}")
        except smtplib.SMTPDataError as error:
            outcome = "refused" if error.smtp_code >= 500 else "retry"  # 5xx: this mail, for good
            return Delivery(outcome, count, f"{where}: {_say(error)}")  # type: ignore[arg-type]
        except TimeoutError:
            return Delivery("retry", count, f"{where}: no answer in time; it is tried again")
        except (OSError, smtplib.SMTPException) as error:
            return Delivery("retry", count, f"{where}: {_say(error)}; it is tried again")
        return Delivery("delivered", len(batch))

    def _connect(self, deadline: float) -> smtplib.SMTP:
        """Open a connection that is encrypted as the settings want, and log in. Raises what `send` catches."""
        settings = self._settings
        seconds = min(settings.timeout / MICROSECONDS, deadline - monotonic())
        if seconds <= 0.0:
            raise TimeoutError
        context = ssl.create_default_context(cafile=None if settings.ca_file is None else str(settings.ca_file))
        if settings.tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(settings.host, settings.port, timeout=seconds, context=context)
        else:
            server = smtplib.SMTP(settings.host, settings.port, timeout=seconds)
        try:
            if settings.tls == "starttls":
                server.starttls(context=context)
            if settings.username is not None and settings.password_file is not None:
                server.login(settings.username, read_secret(settings.password_file))
        except BaseException:  # whatever ends the greeting, the connection is closed
            server.close()
            raise
        return server

    def message_of(self, event: Event) -> EmailMessage:
        """Write the mail: the same event gives the same `Message-ID`, so that a repetition can be told."""
        settings, message = self._settings, EmailMessage()
        severity, of_drill = str(event["severity"]), is_drill(event)
        ended = event["what"] == "cleared"
        about = "the way of an alarm is tested" if of_drill else event["series"]
        subject = f"[sentinel{' drill' if of_drill else ''}] {end_in_words(event) if ended else severity}: {about}"
        message["Subject"] = "".join(c if c.isprintable() else " " for c in subject).encode("utf-8", "replace").decode()
        message["From"], message["To"] = settings.sender, ", ".join(settings.to)
        message["Date"] = formatdate(self._clock.now_us() / MICROSECONDS)
        domain = settings.sender.rpartition("@")[2]
        message["Message-ID"] = f"<{idempotence_key(event).replace('/', '.')}@{domain}>"
        if ended:
            message["In-Reply-To"] = message["References"] = f"<{event['id']}.raised@{domain}>"
        message["X-Sentinel-Alarm"] = str(event["id"])
        lines = [str(event["text"]), "", f"time: {event.get('time')}"]
        # While an alarm of kind slower is open its evidence stands at its line.
        numbers = [name for name in _NUMBERS if (name, event["rule"]) != ("evidence", SLOWER)]
        lines += [f"{name}: {event[name]:.4g}" for name in numbers if isinstance(event.get(name), float)]
        lines += _recovery(event)
        lines += [f"{name}: {event[name]}" for name in ("source", "settings") if event.get(name)]
        if settings.page is not None:
            page = settings.page.rstrip("/")
            lines += ["", f"{page}/{page_of(event)}"]
            if "members" not in event and not of_drill:
                lines.append(f"{page}/series/{quote(str(event['series']), safe='/', errors='replace')}")
        if not of_drill:
            lines += ["", f"sentinel explain {event['id']} --state DIR says what stands behind it."]
        text = "\n".join((*lines, ""))
        message.set_content(text.encode("utf-8", "replace").decode())
        return message


def _recovery(event: Event) -> list[str]:
    """Write the recovery time, of a band that is open what it is at least; nothing where it is not known."""
    known, low = event.get("recovery_seconds"), event.get("recovery_low_seconds")
    if not isinstance(known, float):
        return []
    if event.get("recovery_high_seconds") is None and isinstance(low, float):
        return [f"recovery time: at least {duration_in_words(low)}"]
    return [f"recovery time: {duration_in_words(known)}"]


def _say(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(f"{who}: {code} {_text(said)}" for who, (code, said) in error.recipients.items())
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"{error.smtp_code} user or password not accepted"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    strerror = getattr(error, "strerror", None)
    return strerror or str(error) or type(error).__name__


def _text(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join(text.split())[:200]
