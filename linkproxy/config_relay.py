"""The settings of the SMTP relay: whom it listens to, where it passes mail on, what it tracks."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from linkproxy import config_values as values
from linkproxy.config_faults import ConfigError
from linkproxy.config_sources import read_secret
from linkproxy.config_types import Anchored, Bytes, Port, Seconds, Section, Some

_GREETING_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Za-z:.]{1,60}\]")  # RFC 5321 section 4.1.3


def _greeting_name(value: str) -> str:
    if value and not _GREETING_NAME.fullmatch(value):
        raise ValueError('is no host name such as "relay.brand.example", or address such as "[192.0.2.1]"')
    return value


class RelayRule(Section):
    """Which campaign a mail belongs to that does not say so itself; the first rule that fits counts."""

    from_address: str = Field(default="", description="Pattern of the From address: `*@news.brand.example`.")
    list_id: str = Field(default="", description="Pattern of the List-Id, without its brackets.")
    subject: str = Field(default="", description="Pattern of the Subject; `*` stands for any text.")
    campaign: str = Field(default="", description="The campaign's name; empty leaves such mail untracked.")


class RelaySection(Section):
    """The SMTP relay, `linkproxy relay` (docs/relay.md): mail in, the same mail out, its links tracked."""

    host: Annotated[str, AfterValidator(values.inner_host)] = Field(
        default="127.0.0.1", description="Address that mailers hand their mail to."
    )
    port: Port = Field(default=2525, description="Its port; 0 takes any free one.")
    private_port: Port = Field(
        default=8082,
        description="Port of health and metrics, on [server] private_host; 0: any free one.",
    )
    hostname: Annotated[str, AfterValidator(_greeting_name)] = Field(
        default="", description="Name in greetings, on both sides. Empty: the name of this machine."
    )
    clients: Literal["address", "auth", "either", "both"] = Field(
        default="address",
        description="Who may send: by `address`, by `auth` (a user's password), by `either`, only by `both`.",
    )
    client_networks: Annotated[list[str], AfterValidator(values.networks)] = Field(
        default=["127.0.0.0/8", "::1/128"], description="Addresses or networks that may send."
    )
    users_file: Anchored = Field(
        default="", description="File with the users, as `linkproxy relay --new-user NAME` writes it."
    )
    tls_cert_file: Anchored = Field(
        default="",
        description="Certificate (PEM, with its chain) for STARTTLS; empty: none is offered.",
    )
    tls_key_file: Anchored = Field(default="", description="Its private key; empty: it is in the same file.")
    tls_required: bool = Field(default=False, description="Take no mail before STARTTLS.")
    upstream_host: str = Field(
        default="", description="Name of the server that mail is passed on to: the mailer's smarthost."
    )
    upstream_port: Port = Field(default=587, description="Its port.")
    upstream_tls: Literal["starttls", "opportunistic", "implicit", "none"] = Field(
        default="starttls",
        description="`starttls` must succeed; `opportunistic`: if it is offered; `implicit`: TLS from the "
        "first byte (port 465); `none`.",
    )
    upstream_verify: bool = Field(default=True, description="Check its certificate and name.")
    upstream_ca_file: Anchored = Field(
        default="", description="Certificates (PEM) to trust beside those of this machine."
    )
    upstream_user: str = Field(default="", description="User name to log in with; empty: no login.")
    upstream_password: SecretStr = Field(
        default=SecretStr(""), description="The password. Better: upstream_password_file."
    )
    upstream_password_file: Anchored = Field(default="", description="File with the password.")
    upstream_connections: Some = Field(default=20, description="Connections to it at most, at a time.")
    upstream_idle_seconds: Seconds = Field(default=20, description="How long an idle one is kept.")
    upstream_messages: Some = Field(default=100, description="Messages over one connection at most.")
    upstream_seconds: Seconds = Field(default=30, description="How long to wait for each of its answers.")
    accept_seconds: Seconds = Field(
        default=600,
        description="How long to wait for its word on a whole message (RFC 5321: 10 minutes), and for it to "
        "take more of one.",
    )
    rewrite_seconds: Seconds = Field(default=20, description="How long rewriting one message may take.")
    client_connections: Some = Field(default=100, description="Connections of mailers at most, at a time.")
    client_seconds: Seconds = Field(
        default=300, description="How long a mailer may be silent, and take to send one message."
    )
    message_bytes: Bytes = Field(
        default=52_428_800,
        description="Largest message; one above [limits] mail_bytes is passed on untracked.",
    )
    shutdown_seconds: Seconds = Field(
        default=60, description="How long a stop waits for messages that are under way."
    )
    recipients: Literal["each", "together"] = Field(
        default="each",
        description="`each`: one recipient a message, each with links of their own; `together`: all at once, "
        "with links that stand for the group.",
    )
    on_failure: Literal["pass", "defer"] = Field(
        default="pass",
        description="When a message cannot be rewritten or the store fails: `pass` it on untracked, or "
        "`defer` it (451).",
    )
    unknown_campaign: Literal["defer", "refuse", "pass"] = Field(
        default="defer",
        description="Mail for a campaign that does not exist: `defer` it (451), `refuse` it (550), or `pass` "
        "it on untracked.",
    )
    list_unsubscribe: Literal["campaign", "never", "marketing", "always"] = Field(
        default="campaign",
        description="Who decides on adding List-Unsubscribe (RFC 8058): each `campaign`, or for all of them "
        "`never`, `marketing` (to campaigns of that kind) or `always`.",
    )
    rules: list[RelayRule] = Field(
        default=[],
        description="Which campaign a mail belongs to that does not say so; see [[relay.rules]].",
    )

    def read_password(self) -> str:
        """Return the password for upstream; raise ConfigError when there is none."""
        if not (self.upstream_password.get_secret_value() or self.upstream_password_file):
            raise ConfigError(
                ["[relay] upstream_user: has no password. Name a file with it in upstream_password_file."]
            )
        text, _ = read_secret(self, "relay", "upstream_password")
        return text.strip("\r\n")
