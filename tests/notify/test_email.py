"""Mail, against a real SMTP server."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import pytest

from sentinel.config import EmailNotify
from sentinel.notify import Delivery, Notifier, make_notifier
from tests.notify.conftest import PASSWORD, USER, Mailbox
from tests.notify.test_notify import CLEARED, EVENT, soon


def mailer(box: Mailbox, tmp_path: Path, **more: object) -> Notifier:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    known = {
        "kind": "email", "host": "localhost", "port": box.port, "ca_file": str(box.ca_file), "username": USER,
        "password_file": str(tmp_path / "password"), "sender": "watch@example.org",
        "to": ["a@example.org", "b@example.org"],
        "page": "https://lakes.example.org/",
    }  # fmt: skip
    return make_notifier(EmailNotify.model_validate(known | more))


def test_an_alarm_is_a_mail_and_its_end_an_answer_to_it(mailbox: Mailbox, tmp_path: Path) -> None:
    notifier = mailer(mailbox, tmp_path)
    assert len(notifier.describe().splitlines()) == 1
    assert notifier.send([EVENT, CLEARED], soon()) == Delivery("delivered", 2)
    notifier.close()
    first, second = mailbox.mail
    assert mailbox.encrypted == [True, True]
    assert first["subject"] == "[sentinel] warning: lake/löaded "
    assert second["subject"] == "[sentinel] ended: lake/löaded "
    assert (first["from"], first["to"]) == ("watch@example.org", "a@example.org, b@example.org")
    assert second["in-reply-to"] == first["message-id"]
    text = first.get_content()
    assert "lake/loaded recovers ever more slowly" in text
    assert "lag1: 0.91" in text
    assert "recovery_seconds" not in text
    assert "https://lakes.example.org/series/lake/l%C3%B6aded%0A" in text
    assert "https://lakes.example.org/alarms/a1b2" in text
    notifier.send([CLEARED | {"ended_by": why} for why in ("", None, "gap", "retired")], soon())
    assert [mail["subject"].partition(":")[0] for mail in mailbox.mail[2:]] == [
        "[sentinel] ended", "[sentinel] ended", "[sentinel] ended by a gap", "[sentinel] ended by retiring the series"
    ]  # fmt: skip
    del mailbox.mail[2:]
    notifier.send([EVENT], soon())
    assert mailbox.mail[2]["message-id"] == first["message-id"], "a repetition can be told"


def test_a_drill_is_called_one_in_the_subject_and_leads_to_the_page_that_knows_it(
    mailbox: Mailbox, tmp_path: Path
) -> None:
    of_drill = {"series": "drill", "severity": "drill", "drill": True, "text": "This is a drill."}
    mailer(mailbox, tmp_path).send([EVENT | of_drill, CLEARED | of_drill], soon())
    assert [mail["subject"].split(":")[0] for mail in mailbox.mail] == [
        "[sentinel drill] drill", "[sentinel drill] ended"
    ]  # fmt: skip
    text = mailbox.mail[0].get_content()
    assert "https://lakes.example.org/status" in text
    assert not any(word in text for word in ("/series/", "/alarms/", "sentinel explain"))


def test_a_recovery_time_is_written_in_words_and_evidence_at_its_line_not_at_all(
    mailbox: Mailbox, tmp_path: Path
) -> None:
    """Bug: a mail said `recovery_seconds: 3.492e+05`, and `evidence: 0` of a rule whose evidence stands at its line."""
    known = {"recovery_seconds": 349_200.0, "recovery_low_seconds": 172_800.0, "evidence": 0.0}
    mailer(mailbox, tmp_path).send(
        [
            EVENT | known | {"rule": rule, "recovery_high_seconds": high}
            for rule, high in (("slower", 1e6), ("lag1", None))
        ],
        soon(),
    )
    slower, lag1 = (mail.get_content().splitlines() for mail in mailbox.mail)
    assert "recovery time: 4.04 days" in slower
    assert "recovery time: at least 2 days" in lag1
    assert ("evidence: 0" in slower, "evidence: 0" in lag1) == (False, True)


def test_encrypted_from_the_first_byte(mailbox_tls: Mailbox, tmp_path: Path) -> None:
    notifier = mailer(mailbox_tls, tmp_path, tls="tls", username=None, password_file=None)
    assert notifier.send([EVENT], soon()) == Delivery("delivered", 1)
    assert len(mailbox_tls.mail) == 1


def test_a_server_that_offers_no_encryption_gets_neither_password_nor_mail(
    mailbox_plain: Mailbox, tmp_path: Path
) -> None:
    outcome, sent, reason = mailer(mailbox_plain, tmp_path).send([EVENT], soon())
    assert (outcome, sent) == ("retry", 0)
    assert "STARTTLS" in reason
    assert mailbox_plain.mail == []
    plain = mailer(mailbox_plain, tmp_path, tls="none", username=None, password_file=None)
    assert plain.send([EVENT], soon()) == Delivery("delivered", 1)


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(mailbox: Mailbox, tmp_path: Path) -> None:
    outcome, _, reason = mailer(mailbox, tmp_path, ca_file=None).send([EVENT], soon())
    assert outcome == "retry"
    assert "certificate" in reason.lower()
    assert mailbox.mail == []


def test_a_wrong_password_an_unknown_address_and_a_missing_file_are_tried_again(
    mailbox: Mailbox, tmp_path: Path
) -> None:
    notifier = mailer(mailbox, tmp_path)
    (tmp_path / "password").write_text("wrong\n")
    outcome, _, reason = notifier.send([EVENT], soon())
    assert (outcome, "wrong" in reason) == ("retry", False)
    assert "password" in reason
    (tmp_path / "password").unlink()
    assert str(tmp_path / "password") in notifier.send([EVENT], soon()).reason
    (tmp_path / "password").write_text(PASSWORD)
    mailbox.unknown = {"a@example.org", "b@example.org"}
    outcome, _, reason = notifier.send([EVENT], soon())
    assert outcome == "retry"
    assert "a@example.org: 550 no such user" in reason
    mailbox.unknown = set()
    assert notifier.send([EVENT], soon()).outcome == "delivered"


@pytest.mark.parametrize(("answer", "outcome"), [("554 spam", "refused"), ("452 later", "retry")])
def test_a_mail_that_is_refused_for_good_is_not_sent_again(
    mailbox: Mailbox, tmp_path: Path, answer: str, outcome: str
) -> None:
    mailbox.answers = ["250 taken", answer]
    assert mailer(mailbox, tmp_path).send([EVENT, CLEARED], soon())[:2] == (outcome, 1)


def test_after_its_deadline_nothing_is_sent(mailbox: Mailbox, tmp_path: Path) -> None:
    assert mailer(mailbox, tmp_path).send([EVENT], monotonic() - 1.0)[:2] == ("retry", 0)
    assert mailbox.mail == []
