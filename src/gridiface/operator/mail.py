"""Notices by e-mail, over SMTP with TLS. One message per notice; headers are made of checked parts only."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Literal

from gridiface.operator.notices import Notice, Undelivered
from gridiface.operator.present import iso

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
            await asyncio.to_thread(self._deliver, self.message(notice))
        except smtplib.SMTPResponseException as problem:
            text = f"{self.name}: the mail server answered {problem.smtp_code}"
            raise Undelivered(text, final=500 <= problem.smtp_code < 600 and problem.smtp_code != 535) from problem
        except (smtplib.SMTPException, OSError) as problem:
            raise Undelivered(f"{self.name}: {problem or type(problem).__name__}") from problem

    def message(self, notice: Notice) -> EmailMessage:
        """The notice as a message."""
        alarm = notice.alarm
        title = f"[{alarm.get('site', '')}] {alarm['severity']} {alarm['state']}: {alarm['kind']} {alarm['subject']}"
        made = EmailMessage()
        made["From"], made["To"] = self.sender, ", ".join(self.to)
        made["Subject"] = "".join(sign if sign.isprintable() else "?" for sign in title)[:200]
        made["Auto-Submitted"] = "auto-generated"
        lines = [f"{name}: {alarm[name]}" for name in ("kind", "subject", "text", "state", "severity") if name in alarm]
        lines += [f"at: {iso(notice.first)}"]
        lines += [f"what to do: {alarm['fix']}"] if alarm.get("fix") else []
        made.set_content("\n".join(lines) + "\n")
        return made

    def _deliver(self, message: EmailMessage) -> None:
        context = ssl.create_default_context(cafile=self.trust)
        if self.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=STEP_S, context=context)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=STEP_S)
        with server:
            if self.security == "starttls":
                server.starttls(context=context)
            if self.user:
                server.login(self.user, self.password)
            server.send_message(message)
