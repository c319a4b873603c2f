"""Where settings come from: the TOML file, the environment, and files that hold secrets."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from linkproxy.config_faults import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

PREFIX: Final = "LINKPROXY__"
_TWICE: Final = re.compile(r"^Cannot declare \('(\w+)',\) twice")  # what tomllib says of a section


@dataclass(frozen=True, slots=True)
class Source:
    """Settings by section and key, and for the environment the variable each came from."""

    values: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    def under(self, other: Source) -> dict[str, Any]:
        """Return both merged key by key; the other's values win."""
        merged = dict(self.values)
        for name, section in other.values.items():
            mine = merged.get(name)
            merged[name] = mine | section if isinstance(mine, dict) and isinstance(section, dict) else section
        return merged


def read_file(path: Path) -> Source:
    """Read a TOML file; raise ConfigError."""
    text = read_text(path, "Name the file with --config, or write one with: linkproxy init")
    try:
        return Source(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        twice = _TWICE.search(str(error))
        advice = f" Put its keys below the [{twice[1]}] that is there already." if twice else ""
        raise ConfigError([f"{path.name}: is not TOML: {error}.{advice}"]) from None


def read_environment(config: type[BaseModel], environ: Mapping[str, str]) -> Source:
    """Read ``LINKPROXY__SECTION__KEY``; lists are JSON or separated by commas."""
    ours = {name.lower(): name for name in environ if name.upper().startswith(PREFIX)}
    if not ours:
        return Source()
    # Not at the top: pydantic-settings takes half as long to import as all else that a command needs.
    from linkproxy.config_environment import Environment

    source = Environment(config, PREFIX)
    source.env_vars = {lower: environ[name] for lower, name in ours.items()}
    names = {tuple(lower.removeprefix(PREFIX.lower()).split("__")): name for lower, name in ours.items()}
    unknown: dict[str, Any] = {path[0]: {} for path in names if path[0] not in config.model_fields}
    return Source(source() | unknown, names)


def read_secret(section: BaseModel, name: str, key: str) -> tuple[str, str]:
    """Return a secret's text and where it stands.

    A file that was named wins over the value, the value over the usual file. Raise ConfigError.
    """
    file_key = f"{key}_file"
    value = getattr(section, key).get_secret_value()
    path = getattr(section, file_key)
    if value and file_key not in section.model_fields_set:
        return value, f"[{name}] {key}"
    if not path:
        raise ConfigError([f"[{name}] {file_key}: names no file. Write one with: linkproxy init"])
    ours = f"or name the right one in [{name}] {file_key}."
    if "password" in key:  # no command of ours makes passwords
        advice = f"Write it, {ours}"
    elif file_key in section.model_fields_set:
        advice = f"Bring it back from your back-up, {ours}"
    else:
        advice = _advice(Path(path))
    return read_text(Path(path), advice), path


def _advice(path: Path) -> str:
    """Return what to do about a secret that is missing where it usually is.

    `linkproxy init` goes into no folder that has a part.
    """
    if (path.parent / "config.toml").exists():
        return "Bring it back from your back-up, or take one that is new from: linkproxy init --folder FOLDER"
    # The configuration may have another name, and be there; or there is none at all.
    return "Bring it back from your back-up, name your settings with --config, or begin with: linkproxy init"


def privacy_key(text: str, where: str) -> bytes:
    """Return the key's 32 bytes; raise ConfigError."""
    digits = text.strip()
    if re.fullmatch(r"[0-9a-fA-F]{64}", digits) is None:
        raise ConfigError([f"{where}: the privacy key is not 64 hexadecimal digits."])
    return bytes.fromhex(digits)


def read_text(path: Path, advice: str) -> str:
    """Return a file's text; raise ConfigError that ends with the advice if it is missing."""
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError([f"{path}: there is no such file. {advice}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start}). Save it as UTF-8."]) from None
    except PermissionError:
        raise ConfigError(
            [f"{path}: this user may not read it. Run this as the user that linkproxy runs as, or as root."]
        ) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}."]) from None
