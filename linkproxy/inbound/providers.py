"""The providers that are understood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from linkproxy.inbound.brevo import BREVO
from linkproxy.inbound.mailgun import MAILGUN
from linkproxy.inbound.mailjet import MAILJET
from linkproxy.inbound.postmark import POSTMARK
from linkproxy.inbound.sendgrid import SENDGRID
from linkproxy.inbound.ses import SES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from linkproxy.inbound.base import Provider

PROVIDERS: Final[Mapping[str, Provider]] = {
    provider.name: provider for provider in (BREVO, MAILGUN, MAILJET, POSTMARK, SENDGRID, SES)
}
"""By name, which is the last part of the path."""
