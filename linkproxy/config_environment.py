"""The environment as pydantic-settings reads it, but no fault ends the reading."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from pydantic_settings import BaseSettings, EnvSettingsSource

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo


class Environment(EnvSettingsSource):
    """Calling it returns the values of ``env_vars`` by section and key."""

    def __init__(self, config: type[BaseModel], prefix: str) -> None:
        # Of the class it looks at the fields alone, which any model has.
        settings = cast("type[BaseSettings]", config)
        super().__init__(settings, case_sensitive=False, env_prefix=prefix, env_nested_delimiter="__")

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ARG002  (the signature is pydantic-settings')
        try:
            return json.loads(value)
        except ValueError:
            return [item.strip() for item in value.split(",") if item.strip()]
