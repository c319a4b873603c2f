"""The providers that are understood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from linkproxy.inbound.sendgrid import SENDGRID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from linkproxy.inbound.base import Provider

PROVIDERS: Final[Mapping[str, Provider]] = {provider.name: provider for provider in (SENDGRID,)}
"""By name, which is the last part of the path."""
