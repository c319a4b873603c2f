"""The settings of providers' webhooks: what they are checked by beyond an API key."""

from __future__ import annotations

from pydantic import Field, SecretStr

from linkproxy.config_sources import read_secret
from linkproxy.config_types import Anchored, Section


class InboundSection(Section):
    """Webhooks of providers that tell of deliveries (docs/deliveries.md). They always need an API key."""

    mailgun_signing_key: SecretStr = Field(
        default=SecretStr(""),
        description="Mailgun's HTTP webhook signing key: its events must be signed as well. Better: "
        "mailgun_signing_key_file.",
    )
    mailgun_signing_key_file: Anchored = Field(default="", description="File with that key alone.")

    def read_mailgun_signing_key(self) -> str:
        """Return Mailgun's signing key, "" where signatures are not asked for; raise ConfigError."""
        if not (self.mailgun_signing_key.get_secret_value() or self.mailgun_signing_key_file):
            return ""
        return read_secret(self, "inbound", "mailgun_signing_key")[0].strip()
