"""Every setting once: key, type, default, meaning.

Values come from the TOML file, then the environment (``LINKPROXY__SECTION__KEY``), then the
files that ``*_file`` keys name; the later one wins. config.example.toml and
docs/configuration.md are generated from the classes below.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from linkproxy import config_values as values
from linkproxy.config_faults import ConfigError, Origin, describe
from linkproxy.config_inbound import InboundSection
from linkproxy.config_pages import BaitSection, BrandSection, DomainSection
from linkproxy.config_relay import RelaySection
from linkproxy.config_sources import Source, privacy_key, read_environment, read_file, read_secret
from linkproxy.config_store import StoreSection
from linkproxy.config_types import (
    AddressForm,
    Anchored,
    Bytes,
    Count,
    Days,
    Port,
    Seconds,
    Section,
    Workers,
)
from linkproxy.model import BaitPlaces, BaitStyle, CampaignKind, MachineAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BrandSection", "Config", "ConfigError", "DomainSection", "load"]


class ServerSection(Section):
    """Where linkproxy listens, and how the world reaches it."""

    public_host: str = Field(default="0.0.0.0", description="Address that tracked links are served on.")  # noqa: S104  (the public listener is meant for the world)
    public_port: Port = Field(default=8080, description="Its port; 0 takes any free one.")
    private_host: Annotated[str, AfterValidator(values.inner_host)] = Field(
        default="127.0.0.1",
        description="Address of the JSON API, the dashboard and the metrics. Keep it private.",
    )
    private_port: Port = Field(default=8081, description="Its port; 0 takes any free one.")
    private_hosts: Annotated[list[str], AfterValidator(values.host_names)] = Field(
        default=["localhost", "127.0.0.1", "[::1]"],
        description="Names that the private listener answers to; others are refused (DNS rebinding).",
    )
    dashboard: bool = Field(
        default=True, description="Whether the private listener has pages for people (docs/dashboard.md)."
    )
    base_url: Annotated[str, AfterValidator(values.base_url)] = Field(
        default="http://localhost:8080",
        description="Scheme and host in tracked links, as the world sees them: the default of new campaigns.",
    )
    trusted_proxies: Annotated[list[str], AfterValidator(values.networks)] = Field(
        default=[],
        description="Addresses or networks of your own reverse proxies; only they may say who the client is.",
    )
    client_header: Literal["x-forwarded-for", "forwarded"] = Field(
        default="x-forwarded-for",
        description="Header in which they say it: `x-forwarded-for`, or `forwarded` (RFC 7239).",
    )
    fingerprint_header: Annotated[str, AfterValidator(values.header_name)] = Field(
        default="",
        description="Header in which they pass the client's TLS fingerprint (JA4); empty: none does.",
    )
    workers: Workers = Field(
        default=0,
        description="0: one process does everything. 1 or more: so many serve tracked links, one more the "
        "private listener, and a supervisor restarts them.",
    )
    shutdown_seconds: Seconds = Field(default=10, description="How long a stop waits for requests under way.")
    request_log: bool = Field(
        default=False, description="Log every request (the journal has the visits already)."
    )

    @model_validator(mode="after")
    def _listeners_stand_apart(self) -> Self:
        one_address = self.public_host == self.private_host or {"0.0.0.0", "::", ""} & {  # noqa: S104  (compared)
            self.public_host,
            self.private_host,
        }
        if self.public_port == self.private_port != 0 and one_address:
            raise ValueError(
                f"public_port: {self.public_port} is private_port as well. Set another port for one"
            )
        return self


class SigningSection(Section):
    """The keys that sign tracked links. Whoever has them can forge links; lost keys break sent mail."""

    keys: SecretStr = Field(default=SecretStr(""), description="The keys themselves. Better: keys_file.")
    keys_file: Anchored = Field(
        default="signing-keys.txt", description="File with the keys, as `linkproxy init` writes it."
    )

    def read(self) -> tuple[str, str]:
        """Return the keys' text and where it stands, for messages; raise ConfigError."""
        return read_secret(self, "signing", "keys")


class PrivacySection(Section):
    """How much of people's addresses is stored. Applies to what is stored from now on."""

    client_address: AddressForm = Field(
        default="full", description="Visitors' addresses: `full`, `truncated` (/24, /48) or `hashed` (keyed)."
    )
    recipient_address: AddressForm = Field(
        default="full", description="Mail addresses: `full`, `truncated` (a***@domain) or `hashed` (keyed)."
    )
    key: SecretStr = Field(
        default=SecretStr(""), description="The key of the hashes, 64 hexadecimal digits. Better: key_file."
    )
    key_file: Anchored = Field(
        default="privacy-key.txt", description="File with that key, as `linkproxy init` writes it."
    )
    erase_by_api: bool = Field(
        default=False,
        description="Whether API keys with the right to everything may erase people. It cannot be undone.",
    )

    def read_key(self) -> bytes:
        """Return the 32 bytes of the key; raise ConfigError."""
        text, where = read_secret(self, "privacy", "key")
        return privacy_key(text, where)


class RetentionSection(Section):
    """How long things are kept, in days; 0 keeps them for good."""

    journal_days: Days = Field(default=90, description="Visits with their evidence.")
    clicks_days: Days = Field(
        default=730, description="Clicks, with score and reasons; as long as their visits at least."
    )
    strays_days: Days = Field(default=7, description="Requests with forged or broken tokens.")
    message_links_days: Days = Field(
        default=365, description="Targets that belong to one message; its links end with them."
    )
    domain_profiles_days: Days = Field(
        default=365,
        description="What a recipient domain or gateway has taught, counted from its last lesson.",
    )


class JudgeSection(Section):
    """How visits are judged."""

    policy_file: Anchored = Field(
        default="", description="Your own rules and weights over the shipped ones (docs/judging.md)."
    )
    shadow_policy_file: Anchored = Field(
        default="",
        description="Another such file that judges silently beside the live one; "
        "`linkproxy shadow` compares.",
    )
    extra_hop: bool = Field(
        default=True,
        description="Send uncertain visits round once, by a redirect to the same link, and see how they go.",
    )


class NetworksSection(Section):
    """What is known about networks beyond the shipped rules (docs/networks.md)."""

    asn_files: Annotated[list[str], AfterValidator(values.places), values.ANCHORED] = Field(
        default=[],
        description="ASN databases in MaxMind's format: GeoLite2-ASN, DB-IP ASN Lite, IPinfo Lite. The first "
        "that knows an address counts; changed files are read again while running.",
    )


class GatewaysSection(Section):
    """Who scans for the recipients' domains, by their mail servers (docs/networks.md)."""

    lookup: bool = Field(
        default=False,
        description="Ask the DNS for the mail servers of recipients' domains, in the background.",
    )
    nameservers: Annotated[list[str], AfterValidator(values.name_servers)] = Field(
        default=[],
        description="Name servers to ask, as address or address:port. Empty: those of this machine.",
    )
    timeout_seconds: Seconds = Field(default=5.0, description="How long to wait for one answer.")


class CampaignSection(Section):
    """What `linkproxy campaign add` takes where no option says otherwise."""

    kind: CampaignKind = Field(default=CampaignKind.MARKETING, description="What mailings are for.")
    bait_style: BaitStyle = Field(
        default=BaitStyle.HIDDEN, description="How bait hides; `none` leaves it out."
    )
    bait_places: BaitPlaces = Field(
        default=BaitPlaces.BOTH,
        description="Where its anchors stand: `both`, one early and one late in the body; two `early`; two "
        "`late`; `double`, two each.",
    )
    machine_answer: MachineAnswer = Field(
        default=MachineAnswer.NEUTRAL,
        description="What a visit that is surely a machine's gets: the `neutral` page, or a `redirect`.",
    )


class MailSection(Section):
    """How whole messages are treated."""

    signed: Literal["pass", "refuse"] = Field(
        default="pass",
        description="A message that is signed already (DKIM, ARC), which rewriting would break: `pass` it on "
        "as it came, untracked, or `refuse` it.",
    )


class LimitsSection(Section):
    """Bounds that keep a flood from filling memory or disk."""

    mail_bytes: Bytes = Field(default=26_214_400, description="Largest mail that is rewritten.")
    strays_per_minute: Count = Field(
        default=600,
        description="Requests with broken tokens that are kept per minute; at most a tenth of these with "
        "headers not seen before.",
    )
    strays_kept: Count = Field(
        default=100_000, description="How many of them are kept at all; the oldest go first."
    )
    beacons_per_minute: Count = Field(
        default=6000, description="Reports of targets' pages about visits that are accepted per minute."
    )


class MemorySection(Section):
    """How much each process remembers of the store, in rows; docs/storage.md says what they cost."""

    messages: Count = Field(default=200_000, description="Messages, each with its last visits.")
    campaigns: Count = Field(default=10_000, description="Campaigns, each with its visited links.")
    profiles: Count = Field(default=5_000, description="Header profiles.")
    clients: Count = Field(
        default=10_000, description="Client addresses that sent broken tokens, and disguised addresses."
    )
    domains: Count = Field(
        default=10_000, description="Mail domains and networks, each with what it has taught."
    )
    neighbours: Count = Field(
        default=2_000, description="Pairs of campaign and mail domain, each with its last visited recipients."
    )


class LogSection(Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that is written."
    )
    format: Literal["console", "json"] = Field(
        default="console", description="`console` for people, `json` for collectors: one object per line."
    )


class Config(BaseModel):
    """All settings; ``load`` makes one. Built by hand it reads neither file nor environment."""

    model_config = Section.model_config

    server: ServerSection = ServerSection()
    store: StoreSection = StoreSection()
    signing: SigningSection = SigningSection()
    privacy: PrivacySection = PrivacySection()
    retention: RetentionSection = RetentionSection()
    judge: JudgeSection = JudgeSection()
    networks: NetworksSection = NetworksSection()
    gateways: GatewaysSection = GatewaysSection()
    brand: BrandSection = BrandSection()
    domains: dict[Annotated[str, AfterValidator(values.host)], DomainSection] = {}
    bait: BaitSection = BaitSection()
    campaign: CampaignSection = CampaignSection()
    mail: MailSection = MailSection()
    relay: RelaySection = RelaySection()
    inbound: InboundSection = InboundSection()
    limits: LimitsSection = LimitsSection()
    memory: MemorySection = MemorySection()
    log: LogSection = LogSection()

    _file: Path | None = None

    @classmethod
    def sections(cls) -> dict[str, type[BaseModel]]:
        """Return the classes of the sections that are there once, by name."""
        return {
            name: field.annotation
            for name, field in cls.model_fields.items()
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        }

    @property
    def file(self) -> Path | None:
        """The file it was read from; None when there was none."""
        return self._file

    @property
    def folder(self) -> Path:
        """What relative paths are relative to."""
        return self._file.parent if self._file else Path.cwd()


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the settings and check them; raise ConfigError with every fault.

    The file is ``path``, else ``LINKPROXY_CONFIG``, else ``config.toml`` in the current folder;
    only the last may be missing, which means defaults.
    """
    gathered = gather(path, environ)
    try:
        return gathered.anchored(Config(**gathered.values))
    except ValidationError as error:
        raise ConfigError(describe(error, Config, gathered.origin)) from None


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the sources say, before it is checked."""

    values: dict[str, Any]
    origin: Origin
    file: Path | None

    def anchored(self, config: Config) -> Config:
        """Return the settings with paths from the file's folder on."""
        folder = (self.file.parent if self.file else Path()).absolute()
        anchor = partial(values.anchor, folder=folder)
        sections: dict[str, object] = {name: anchor(getattr(config, name)) for name in Config.sections()}
        sections["domains"] = {host: anchor(section) for host, section in config.domains.items()}
        config = config.model_copy(update=sections)
        config._file = folder / self.file.name if self.file else None  # noqa: SLF001  (a private attribute of our own class; frozen models set it no other way)
        return config


def gather(path: Path | None, environ: Mapping[str, str]) -> Gathered:
    """Read the sources, unchecked; raise ConfigError."""
    file = _find(path, environ)
    from_file = read_file(file) if file else Source()
    from_environment = read_environment(Config, environ)
    origin = Origin(file.name if file else "config.toml", from_environment.names)
    return Gathered(from_file.under(from_environment), origin, file)


def _find(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is not None:
        return path
    if named := environ.get("LINKPROXY_CONFIG"):
        return Path(named)
    usual = Path("config.toml")
    return usual if usual.exists() else None
