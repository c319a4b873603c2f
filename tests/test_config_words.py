"""What is said of a wrong value, word for word, and where it says that the value stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from linkproxy.config import ConfigError, load

if TYPE_CHECKING:
    from pathlib import Path


def faults(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    path = folder / "config.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    assert str(caught.value) == "\n".join(caught.value.faults)
    return list(caught.value.faults)


WEB = 'is not a web address such as "https://brand.example/".'
SERVER = 'which is not an address such as "192.0.2.53" or "192.0.2.53:5353".'
ALONE = 'is not scheme and host alone, such as "https://click.brand.example".'


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("server", "fingerprint_header", '"X JA4"', 'is no name of a header, such as "X-JA4".'),
        ("server", "private_host", '" "', "names no address, and would open it on all of them; such as"),
        ("server", "base_url", '"https://click.brand.example#"', ALONE),
        ("brand", "language", '"d"', 'is no language such as "de" or "pt-BR".'),
        ("brand", "home_url", '"https://brand.example:0/"', WEB),
        ("brand", "home_url", '"ftp://brand.example/"', WEB),
        ("brand", "home_url", '"https://ann@brand.example/"', WEB),
        ("brand", "home_url", '"https:///path"', WEB),
        ("brand", "name", '"2026-05-01"', "is not a text of at most 100 characters."),
        ("gateways", "nameservers", '["192.0.2.53:0"]', f'holds "192.0.2.53:0", {SERVER}'),
        ("gateways", "nameservers", '["192.0.2.53:65536"]', f'holds "192.0.2.53:65536", {SERVER}'),
        ("gateways", "nameservers", '["dns.brand.example"]', f'holds "dns.brand.example", {SERVER}'),
        ("gateways", "nameservers", '["[::1]:x"]', f'holds "[::1]:x", {SERVER}'),
        ("store", "url", '"sqlite:"', 'is not a store such as "sqlite:linkproxy.db" or'),
    ],
)
def test_a_wrong_value_is_shown_with_what_is_wanted(
    tmp_path: Path, section: str, key: str, value: str, words: str
) -> None:
    written = value.strip('"') if value == '"2026-05-01"' else value  # a date, which JSON has not
    (fault,) = faults(tmp_path, f"[{section}]\n{key} = {written}\n")
    assert fault.startswith(f"config.toml: [{section}] {key}: {value} {words}")


@pytest.mark.parametrize(("characters", "shown"), [(78, f'"{"ü" * 78}"'), (79, f'"{"ü" * 76}...')])
def test_of_a_long_value_the_beginning_is_shown(tmp_path: Path, characters: int, shown: str) -> None:
    (fault,) = faults(tmp_path, f'[brand]\nhome_url = "{"ü" * characters}"\n')
    assert fault == f"config.toml: [brand] home_url: {shown} {WEB}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[log]\nxyzzy = 1", "[log] xyzzy: is not a setting. There are: level, format."),
        ("[server]\ncolour = '#1f4e79'", "[server] colour: is not a setting. It belongs in [brand]."),
        ("xyzzy = 1", "[xyzzy] is not a section. There are: server, store, signing, "),
        ("[relay]\nrules = 3", "[relay] rules: 3 is not tables, one for each rule."),
        ("[log]\nformat = 3", '[log] format: 3 is not one of "console", "json".'),
        ("[store]\nnearly_durable = 1\npooler = 3", "[store] pooler: 3 is not true or false."),
    ],
)
def test_a_name_that_is_like_no_other_is_told_which_there_are(tmp_path: Path, text: str, words: str) -> None:
    assert any(fault.startswith(f"config.toml: {words}") for fault in faults(tmp_path, text))


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SEVER", "x", "is not a setting. Did you mean server?"),
        ("RELAY__RULES", '["a"]', "[[relay.rules]] 1 is not a table. Write [[relay.rules]] above each rule."),
        (
            "RELAY__RULES",
            '[{}, {"lis": 1}]',
            "[[relay.rules]] 2 lis: is not a setting. Did you mean list_id?",
        ),
        ("DOMAINS", '{"A": {}}', '[domains."A"] is not a host name such as "click.brand.example"'),
        ("DOMAINS", '{"a": {"nam": 1}}', '[domains."a"] nam: is not a setting. Did you mean name?'),
    ],
)
def test_what_a_variable_holds_is_not_blamed_on_the_file(
    tmp_path: Path, variable: str, value: str, words: str
) -> None:
    (fault,) = faults(tmp_path, "[relay]\n", {f"LINKPROXY__{variable}": value})
    assert fault.startswith(f"LINKPROXY__{variable}: {words}")


def test_values_that_are_right_are_made_plain(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[server]\nbase_url = "https://click.brand.example/"\nfingerprint_header = "X-JA4"\n'
        '[brand]\nhome_url = "http://brand.example:1/"\nlanguage = "pt-BR"\n'
        '[gateways]\nnameservers = ["::1", "[::1]:65535", "192.0.2.53:1"]\n'
        '[store]\nurl = "postgresql://ann@db/clicks"\n'
    )
    read = load(path, {})
    assert (read.server.base_url, read.server.fingerprint_header) == ("https://click.brand.example", "x-ja4")
    assert read.gateways.nameservers == ["::1", "[::1]:65535", "192.0.2.53:1"]
    assert read.store.url == "postgresql://ann@db/clicks"
