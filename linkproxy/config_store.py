"""The settings of the store: where it is, how safe a visit is there, where visits wait while it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from linkproxy import config_values as values
from linkproxy.config_sources import read_secret
from linkproxy.config_types import Anchored, Bytes, Seconds, Section


class StoreSection(Section):
    """Where visits and campaigns are kept."""

    url: Annotated[str, AfterValidator(values.store_url), values.ANCHORED] = Field(
        default="sqlite:linkproxy.db",
        description="`sqlite:FILE`, relative to this file's folder, or `postgresql://USER@HOST/DATABASE`.",
    )
    password: SecretStr = Field(
        default=SecretStr(""), description="The password of that USER, if it has one. Better: password_file."
    )
    password_file: Anchored = Field(default="", description="File with that password alone.")
    pooler: bool = Field(
        default=False,
        description="A pooler that lends connections by transaction (PgBouncer) stands before PostgreSQL.",
    )
    synchronous: Literal["full", "normal"] = Field(
        default="full",
        description="`full`: an answered visit survives a power cut; `normal`: a crash of linkproxy only.",
    )
    commit_seconds: Seconds = Field(
        default=2.0, description="How long a visitor waits for the store at most."
    )
    on_failure: Literal["redirect", "refuse"] = Field(
        default="redirect",
        description="When the store fails: `redirect` from memory and spill the visit, or `refuse` (503).",
    )
    spill_path: Annotated[str, AfterValidator(values.path), values.ANCHORED] = Field(
        default="linkproxy.spill", description="Where visits wait while the store fails: a file of its own."
    )
    spill_bytes: Bytes = Field(
        default=67_108_864, description="How large that file may grow; visits beyond it are lost."
    )
    link_files: Anchored = Field(
        default="",
        description="Folder on another disk that keeps each campaign's links a second time, for "
        "`linkproxy store restore-links` when a backup was restored. Empty: none.",
    )

    @model_validator(mode="after")
    def _files_stand_apart(self) -> Self:
        file = self.url.removeprefix(values.SQLITE)
        if file != self.url and Path(file) == Path(self.spill_path):
            raise ValueError(f"spill_path: {self.spill_path} is the store itself. Name another file")
        return self

    def read_password(self) -> str:
        """Return the password of the database, "" for none; raise ConfigError."""
        if not (self.password.get_secret_value() or self.password_file):
            return ""
        return read_secret(self, "store", "password")[0].strip()
