"""What the sections of the configuration are made of: their base, and the types of their values."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from linkproxy import config_values as values

MOST_WORKERS = 64

Port = Annotated[int, BeforeValidator(values.number), Field(ge=0, le=65535)]
Seconds = Annotated[float, BeforeValidator(values.number), Field(ge=0.01, le=3600)]
Days = Annotated[int, BeforeValidator(values.number), Field(ge=0, le=36500)]
Count = Annotated[int, BeforeValidator(values.number), Field(ge=0, le=1_000_000_000)]
Some = Annotated[int, BeforeValidator(values.number), Field(ge=1, le=100_000)]
Workers = Annotated[int, BeforeValidator(values.number), Field(ge=0, le=MOST_WORKERS)]
Bytes = Annotated[int, BeforeValidator(values.number), Field(ge=1024, le=1 << 40)]
Url = Annotated[str, AfterValidator(values.url)]
Anchored = Annotated[str, AfterValidator(values.place), values.ANCHORED]
AddressForm = Literal["full", "truncated", "hashed"]


class Section(BaseModel):
    """One ``[section]`` of the file; its docstring's first line is the section's comment."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
