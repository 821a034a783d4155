"""Notices by e-mail, over SMTP with TLS. One message per notice; headers are made of checked parts only."""

from __future__ import annotations

import asyncio
import logging
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from typing import Literal

from gridiface.operator.alarms.notices import Notice, Undelivered
from gridiface.operator.rows.present import iso

_log = logging.getLogger("gridiface.operator")

#: Who was refused, and the server's code and words.
_Refused = dict[str, tuple[int, bytes]]

#: Time for one step of the conversation with the mail server, s.
STEP_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One list of people who are told.

    Args:
        name: for the log.
        host, port, security: the mail server; tls from the start, starttls, or none (for one on this machine).
        user, password: to sign in with; empty: without.
        sender, to: addresses.
        severity, kinds: the least severity, and the kinds (none: all), that they want to know of.
        trust: the CA that the server's certificate is held against; None: those of the system.
    """

    name: str
    host: str
    port: int
    security: Literal["tls", "starttls", "none"]
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password: str = ""
    severity: str = "info"
    kinds: tuple[str, ...] = ()
    trust: str | None = None

    async def send(self, notice: Notice) -> None:
        """Hand it to the mail server.

        Raises:
            Undelivered: it was not taken.
        """
        try:
            refused = await asyncio.to_thread(self._deliver, self.message(notice))
        except smtplib.SMTPRecipientsRefused as problem:
            final = all(500 <= code < 600 for code, _ in problem.recipients.values())
            raise Undelivered(f"{self.name}: {_refusals(problem.recipients)}", final=final) from problem
        except smtplib.SMTPResponseException as problem:
            text = f"{self.name}: the mail server answered {problem.smtp_code}"
            raise Undelivered(text, final=500 <= problem.smtp_code < 600 and problem.smtp_code != 535) from problem
        except (smtplib.SMTPException, OSError) as problem:
            raise Undelivered(f"{self.name}: {problem or type(problem).__name__}") from problem
        if refused:  # The others have it: sending it again would tell them twice.
            _log.warning("notices to %s do not reach everybody: %s", self.name, _refusals(refused))

    def message(self, notice: Notice) -> EmailMessage:
        """The notice as a message (RFC 5322): each try of one notice has the same Date and Message-ID."""
        alarm = notice.alarm
        title = f"[{alarm.get('site', '')}] {alarm['severity']} {alarm['state']}: {alarm['kind']} {alarm['subject']}"
        made = EmailMessage()
        made["From"], made["To"] = self.sender, ", ".join(self.to)
        made["Subject"] = "".join(sign if sign.isprintable() else "?" for sign in title)[:200]
        made["Date"] = format_datetime(datetime.fromtimestamp(notice.first, UTC))
        made["Message-ID"] = f"<{sha256(notice.id.encode()).hexdigest()[:32]}@{self.sender.rpartition('@')[2]}>"
        made["Auto-Submitted"] = "auto-generated"
        lines = [f"{name}: {alarm[name]}" for name in ("kind", "subject", "text", "state", "severity") if name in alarm]
        lines += [f"at: {iso(notice.first)}"]
        lines += [f"what to do: {alarm['fix']}"] if alarm.get("fix") else []
        made.set_content("\n".join(lines) + "\n")
        return made

    def _deliver(self, message: EmailMessage) -> _Refused:
        context = ssl.create_default_context(cafile=self.trust)
        if self.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=STEP_S, context=context)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=STEP_S)
        try:
            if self.security == "starttls":
                server.starttls(context=context)
            if self.user:
                server.login(self.user, self.password)
            return server.send_message(message)
        finally:  # What a server says to QUIT changes nothing of what it took or refused before.
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
            server.close()


def _refusals(refused: _Refused) -> str:
    return "the mail server refused " + ", ".join(f"{address} ({code})" for address, (code, _) in refused.items())
