"""The commented example file and the reference page, both written from the settings' classes."""

from __future__ import annotations

import json
from enum import StrEnum
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, SecretStr

from linkproxy.config import Config, DomainSection
from linkproxy.config_relay import RelayRule
from linkproxy.config_sources import PREFIX
from linkproxy.config_values import choices_of, expected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

WIDTH: Final = 100

_EXAMPLE_HEAD: Final = """\
# The settings of linkproxy. Each line below shows a default; take the "# " before it away to
# change it. The environment wins over it: LINKPROXY__SERVER__PUBLIC_PORT is [server] public_port.
# Relative paths start at this file's folder. `linkproxy config check` names every mistake.
"""

_REFERENCE_HEAD: Final = f"""\
# Configuration

<!-- Generated from the classes in linkproxy/config.py by `make docs`; edit those. -->

`linkproxy init` writes a commented `config.toml`. It is looked for at `--config PATH`, then
`$LINKPROXY_CONFIG`, then `./config.toml`. `linkproxy config check` names every mistake at once,
`linkproxy config show` prints what is in force, secrets masked.

- The environment wins over the file: `{PREFIX}SECTION__KEY`, as in
  `{PREFIX}SERVER__PUBLIC_PORT=80`. Lists are separated by commas, or JSON.
- A secret is best kept in a file of its own, which the `*_file` key names (Docker secrets,
  systemd credentials). A file that was named wins over the value itself.
- Relative paths start at the configuration file's folder, without one at the current folder.
"""


def settings() -> Iterator[tuple[str, type[BaseModel], str, FieldInfo]]:
    """Yield every setting as section, its class, key, field."""
    for name, section in Config.sections().items():
        for key, setting in section.model_fields.items():
            yield name, section, key, setting


def example() -> str:
    """Return config.example.toml."""
    lines = [_EXAMPLE_HEAD]
    last = ""
    for name, section, key, field in settings():
        if name != last:
            lines += [*_comment(section.__doc__ or ""), f"[{name}]", ""]
            last = name
        lines += [
            *_comment((field.description or "") + _unnamed_choices(field)),
            f"# {key} = {as_toml(field.default)}",
            "",
        ]
    lines += [*_comment(DomainSection.__doc__ or ""), f"# [{_DOMAIN}]"]
    lines += [f"#     {key} = {as_toml(field.default)}" for key, field in DomainSection.model_fields.items()]
    lines += ["", *_comment(RelayRule.__doc__ or ""), f"# [[{_RULE}]]"]
    lines += [f"#     {key} = {as_toml(field.default)}" for key, field in RelayRule.model_fields.items()]
    return "\n".join(lines) + "\n"


def reference() -> str:
    """Return docs/configuration.md."""
    lines = [_REFERENCE_HEAD]
    last = ""
    for name, section, key, field in settings():
        if name != last:
            lines += [*([""] if last else []), f"## [{name}]", "", section.__doc__ or "", "", *_TABLE_HEAD]
            last = name
        lines.append(_row(key, field, f"`{as_toml(field.default)}`"))
    lines += ["", f"## [{_DOMAIN}]", "", DomainSection.__doc__ or "", "", *_TABLE_HEAD]
    lines += [_row(key, field, "as in [brand]") for key, field in DomainSection.model_fields.items()]
    lines += ["", f"## [[{_RULE}]]", "", RelayRule.__doc__ or "", "", *_TABLE_HEAD]
    lines += [
        _row(key, field, f"`{as_toml(field.default)}`") for key, field in RelayRule.model_fields.items()
    ]
    return "\n".join(lines) + "\n"


def _row(key: str, field: FieldInfo, default: str) -> str:
    cells = (f"`{key}`", expected(field), default, field.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


_RULE: Final = "relay.rules"
_DOMAIN: Final = 'domains."click.brand.example"'
_TABLE_HEAD: Final = ("| key | takes | default | meaning |", "| --- | --- | --- | --- |")


def as_toml(value: Any) -> str:
    """Return a setting's value as TOML writes it; a secret's value is never shown."""
    if isinstance(value, SecretStr):
        return '"(hidden)"' if value.get_secret_value() else '""'
    if isinstance(value, StrEnum):
        return json.dumps(value.value)
    if isinstance(value, BaseModel):
        return "{ " + ", ".join(f"{key} = {as_toml(item)}" for key, item in value) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _unnamed_choices(field: FieldInfo) -> str:
    choices = choices_of(field)
    named = all(f"`{choice}`" in (field.description or "") for choice in choices)
    return "" if named else f" One of: {', '.join(choices)}."


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text.replace("`", ""), WIDTH - 2)]
