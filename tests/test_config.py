"""Settings: where they come from, who wins, and what a person reads when they are wrong."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from linkproxy.config import Config, ConfigError, load
from linkproxy.config_reference import as_toml, example, settings
from linkproxy.config_values import expected


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, "utf-8")
    return path


def faults(path: Path | None, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    return list(caught.value.faults)


# --- where values come from --------------------------------------------------------------------


def test_without_file_and_environment_every_setting_has_its_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(None, {})
    assert config.file is None
    assert config.folder == tmp_path
    assert config.server.public_port == 8080
    assert config.store.url == f"sqlite:{tmp_path}/linkproxy.db"


def test_the_file_wins_over_the_default_and_the_environment_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[server]\npublic_port = 81\nprivate_port = 82\n")
    config = load(path, {"LINKPROXY__SERVER__PRIVATE_PORT": "83", "linkproxy__log__level": "debug"})
    assert (config.server.public_port, config.server.private_port) == (81, 83)
    assert config.server.public_host == "0.0.0.0"  # noqa: S104  (compared, not bound)
    assert config.log.level == "debug"


def test_config_option_wins_over_the_variable_and_that_over_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "[brand]\nname = 'here'\n")
    for name in ("variable", "option"):
        (tmp_path / f"{name}.toml").write_text(f"[brand]\nname = '{name}'\n")
    environ = {"LINKPROXY_CONFIG": "variable.toml"}
    assert load(Path("option.toml"), environ).brand.name == "option"
    assert load(None, environ).brand.name == "variable"
    assert load(None, {}).brand.name == "here"


@pytest.mark.parametrize("text", ["10.0.0.1, ::1", '["10.0.0.1", "::1"]', "10.0.0.1,::1,"])
def test_a_list_in_the_environment_is_json_or_separated_by_commas(tmp_path: Path, text: str) -> None:
    config = load(write(tmp_path, ""), {"LINKPROXY__SERVER__TRUSTED_PROXIES": text})
    assert config.server.trusted_proxies == ["10.0.0.1", "::1"]


def test_relative_paths_start_at_the_files_folder_wherever_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    write(
        tmp_path / "etc",
        "[store]\nurl = 'sqlite:data/log.db'\nspill_path = '/var/spill'\n"
        "[networks]\nasn_files = ['asn.mmdb', '/var/asn.mmdb']\n",
    )
    monkeypatch.chdir(tmp_path)
    config = load(Path("etc/config.toml"), {})
    assert config.store.url == f"sqlite:{tmp_path}/etc/data/log.db"
    assert config.store.spill_path == "/var/spill"
    assert config.signing.keys_file == f"{tmp_path}/etc/signing-keys.txt"
    assert config.networks.asn_files == [f"{tmp_path}/etc/asn.mmdb", "/var/asn.mmdb"]
    assert not config.judge.policy_file


def test_a_config_built_by_hand_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKPROXY__SERVER__PUBLIC_PORT", "99")
    monkeypatch.setenv("SERVER", '{"public_port": 99}')
    assert Config().server.public_port == 8080


def test_settings_cannot_be_changed_once_read(tmp_path: Path) -> None:
    config = load(write(tmp_path, ""), {})
    with pytest.raises(ValueError, match="frozen"):
        config.server.public_port = 1


# --- secrets -----------------------------------------------------------------------------------


def test_a_secret_file_that_was_named_wins_over_the_value(tmp_path: Path) -> None:
    (tmp_path / "named.txt").write_text("from the file")
    path = write(tmp_path, "[signing]\nkeys = 'from the value'\nkeys_file = 'named.txt'\n")
    assert load(path, {}).signing.read() == ("from the file", str(tmp_path / "named.txt"))


def test_a_secret_value_wins_over_the_usual_file(tmp_path: Path) -> None:
    (tmp_path / "signing-keys.txt").write_text("from the usual file")
    path = write(tmp_path, "")
    assert load(path, {}).signing.read()[0] == "from the usual file"
    environ = {"LINKPROXY__SIGNING__KEYS": "from the value"}
    assert load(path, environ).signing.read() == ("from the value", "[signing] keys")


def test_a_missing_secret_is_asked_for_when_it_is_needed_and_says_how_to_get_one(tmp_path: Path) -> None:
    config = load(write(tmp_path, ""), {})
    for read, name in (
        (config.signing.read, "signing-keys.txt"),
        (config.privacy.read_key, "privacy-key.txt"),
    ):
        with pytest.raises(ConfigError) as caught:
            read()
        assert str(caught.value) == (
            f"{tmp_path / name}: there is no such file. Bring it back from your back-up, or take one that is "
            "new from: linkproxy init --folder FOLDER"
        )


@pytest.mark.parametrize(
    ("section", "key", "advice"),
    [
        ("store", "password_file", "Write it"),  # which init does not
        ("signing", "keys_file", "Bring it back from your back-up"),
    ],
)
def test_for_a_missing_secret_file_that_the_settings_name_it_is_said_where_they_do(
    tmp_path: Path, section: str, key: str, advice: str
) -> None:
    config = load(write(tmp_path, f'[{section}]\n{key} = "far/away.txt"\n'), {})
    with pytest.raises(ConfigError) as caught:
        config.store.read_password() if section == "store" else config.signing.read()
    assert str(caught.value) == (
        f"{tmp_path / 'far/away.txt'}: there is no such file. "
        f"{advice}, or name the right one in [{section}] {key}."
    )


def test_where_there_is_no_configuration_at_all_it_is_said_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="name your settings with --config, or begin with"):
        load(None, {}).privacy.read_key()


def test_a_configuration_of_another_name_is_not_said_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "prod.toml").write_text("")
    with pytest.raises(ConfigError, match="Bring it back from your back-up") as caught:
        load(tmp_path / "prod.toml", {}).privacy.read_key()
    assert "config.toml" not in str(caught.value)


def test_the_privacy_key_is_64_hexadecimal_digits_and_never_shown_when_it_is_not(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    assert load(path, {"LINKPROXY__PRIVACY__KEY": "0f" * 32}).privacy.read_key() == b"\x0f" * 32
    with pytest.raises(ConfigError) as caught:
        load(path, {"LINKPROXY__PRIVACY__KEY": "hush"}).privacy.read_key()
    assert str(caught.value) == "[privacy] key: the privacy key is not 64 hexadecimal digits."


def test_secrets_are_hidden_wherever_a_config_is_printed(tmp_path: Path) -> None:
    config = load(write(tmp_path, "[signing]\nkeys = 'hush-1'\n[privacy]\nkey = 'hush-2'\n"), {})
    printed = f"{config!r} {config} {as_toml(config.signing.keys)} {config.model_dump_json()}"
    assert "hush" not in printed


@pytest.mark.parametrize(
    ("setting", "start"),
    [
        ("[store]\npassword = 424242\n", "[store] password: is not a text."),
        ("[signing]\nkeys = ['hush']\n", "[signing] keys: is not a text."),
        ("[store]\nurl = 'postgresql://ann:hush@db/a'\n", '[store] url: "postgresql://ann:***@db/a" holds'),
        ("[store]\nurl = 'postgresql://ann:hu/sh@db/a'\n", '[store] url: "postgresql://ann:***@db/a" is no'),
        ("[store]\nurl = 'postgres://ann:hush@db/a'\n", '[store] url: "postgres://ann:***@db/a" is not'),
        ("[store]\nurl = 'postgresql:///a?password=hush'\n", '[store] url: "postgresql:///a?password=***" h'),
    ],
)
def test_a_fault_shows_no_secret(tmp_path: Path, setting: str, start: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, setting), {})
    assert str(caught.value).startswith(f"config.toml: {start}")
    assert not {"hu", "424242"}.intersection(re.findall(r"\w+", str(caught.value)))


# --- faults ------------------------------------------------------------------------------------


def test_five_mistakes_are_named_at_once_each_with_section_and_key(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [server]
        public_port = "80a"
        pubilc_host = "127.0.0.1"
        [store]
        synchronous = "fast"
        [bait]
        landing = "redirect"
        [retension]
        journal_days = 3
        """,
    )
    assert faults(path) == [
        'config.toml: [server] public_port: "80a" is not a whole number between 0 and 65535.',
        "config.toml: [server] pubilc_host: is not a setting. Did you mean public_host?",
        'config.toml: [store] synchronous: "fast" is not one of "full", "normal".',
        'config.toml: [bait] landing: "redirect" needs redirect_url. Set it, or choose "page".',
        "config.toml: [retension] is not a section. Did you mean retention?",
    ]


def test_a_setting_in_the_wrong_section_is_told_where_it_belongs(tmp_path: Path) -> None:
    assert faults(write(tmp_path, "[server]\nsynchronous = 'full'\n[networks]\nlevel = 'debug'\n")) == [
        "config.toml: [server] synchronous: is not a setting. It belongs in [store].",
        "config.toml: [networks] level: is not a setting. It belongs in [log].",
    ]


@pytest.mark.parametrize(
    "written", ["https://stats.brand.example", "stats.brand.example:8081", "stats.brand.example/", "::1", ""]
)
def test_a_host_that_no_request_could_name_is_refused(tmp_path: Path, written: str) -> None:
    (fault,) = faults(write(tmp_path, f'[server]\nprivate_hosts = ["localhost", "{written}"]\n'))
    assert f'holds "{written}", which is not a name alone' in fault


def test_private_hosts_are_names_in_any_case(tmp_path: Path) -> None:
    told = load(write(tmp_path, '[server]\nprivate_hosts = ["Stats.Brand.example", "[FE80::1]"]\n'), {})
    assert told.server.private_hosts == ["stats.brand.example", "[fe80::1]"]


def test_two_listeners_cannot_share_one_address_and_port(tmp_path: Path) -> None:
    assert faults(write(tmp_path, "[server]\npublic_port = 8081\n")) == [
        "config.toml: [server] public_port: 8081 is private_port as well. Set another port for one."
    ]
    apart = "[server]\npublic_host = '192.0.2.1'\nprivate_host = '127.0.0.1'\npublic_port = 8081\n"
    assert load(write(tmp_path, apart), {}).server.public_port == 8081
    free = "[server]\npublic_port = 0\nprivate_port = 0\n"
    assert load(write(tmp_path, free), {}).server.private_port == 0


@pytest.mark.parametrize(("section", "key"), [("server", "private_host"), ("relay", "host")])
def test_a_listener_that_is_not_for_the_world_needs_an_address(
    tmp_path: Path, section: str, key: str
) -> None:
    told = '"" names no address, and would open it on all of them; such as "127.0.0.1".'
    assert faults(write(tmp_path, f'[{section}]\n{key} = ""\n')) == [
        f"config.toml: [{section}] {key}: {told}"
    ]


def test_visits_cannot_be_spilled_into_the_store_itself_or_nowhere(tmp_path: Path) -> None:
    path = write(tmp_path, "[store]\nurl = 'sqlite:data/log.db'\nspill_path = './data/log.db'\n")
    assert faults(path) == [
        "config.toml: [store] spill_path: ./data/log.db is the store itself. Name another file."
    ]
    path = write(tmp_path, "[store]\nspill_path = ''\n")
    assert faults(path) == ['config.toml: [store] spill_path: "" names no file.']
    path = write(tmp_path, '[store]\nspill_path = "a\\u0000b"\n')
    assert faults(path) == ['config.toml: [store] spill_path: "a\\u0000b" names no file.']


def test_of_a_section_that_stands_twice_it_is_said_where_its_keys_belong(tmp_path: Path) -> None:
    (fault,) = faults(write(tmp_path, "[relay]\nport = 2525\n\n[relay]\nport = 2526\n"))
    assert fault.startswith("config.toml: is not TOML: ")
    assert "line 4" in fault
    assert fault.endswith("Put its keys below the [relay] that is there already.")


def test_a_fault_of_the_environment_names_its_variable(tmp_path: Path) -> None:
    environ = {
        "LINKPROXY__SERVER__PUBLIC_PORT": "80a",
        "LINKPROXY__SERVER__PUBLICPORT": "80",
        "LINKPROXY__SEVER__PUBLIC_PORT": "80",
        "LINKPROXY__LOG": "loud",
        "LINKPROXY__BRAND__NAME__FIRST": "x",
    }
    found = faults(write(tmp_path, "[server]\npublic_port = 81\n"), environ)
    assert sorted(found) == [
        'LINKPROXY__BRAND__NAME__FIRST: {"first": "x"} is not a text of at most 100 characters.',
        "LINKPROXY__LOG: is a section. Name a key of it: LINKPROXY__LOG__KEY.",
        "LINKPROXY__SERVER__PUBLICPORT: is not a setting. Did you mean public_port?",
        'LINKPROXY__SERVER__PUBLIC_PORT: "80a" is not a whole number between 0 and 65535.',
        "LINKPROXY__SEVER__PUBLIC_PORT: is not a section. Did you mean server?",
    ]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("[server]\nbase_url = 'https://click.brand.example/path'", "is not scheme and host alone"),
        ("[server]\nbase_url = 'https://user@click.brand.example'", "is not scheme and host alone"),
        ("[server]\nbase_url = 'https://click.brand.example:99999'", "is not scheme and host alone"),
        ("[server]\nbase_url = 'https://click.brand.example?'", "is not scheme and host alone"),
        ("[server]\nbase_url = 'HTTPS://click.brand.example'", "cannot begin links in mail"),
        ("[server]\nbase_url = 'http://[2001:db8::1]:8080'", "cannot begin links in mail"),
        (
            "[signing]\nkeys_file = '~nobody-of-this-name/keys.txt'",
            "has a ~ of which no home folder is known",
        ),
        ("[store]\nurl = 'sqlite:~nobody-of-this-name/db'", "has a ~ of which no home folder is known"),
        ("[store]\nspill_path = '~nobody-of-this-name/spill'", "has a ~ of which no home folder is known"),
        ("[networks]\nasn_files = ['~nobody-of-this-name/a']", "has a ~ of which no home folder is known"),
        ('[privacy]\nkey_file = "a\\u0000"', "names no file"),
        (
            "[server]\ntrusted_proxies = ['10.0.0.1/8']",
            'holds "10.0.0.1/8", which is not an address or network',
        ),
        ("[server]\ntrusted_proxies = '10.0.0.1'", "is not a list of texts"),
        ("[server]\npublic_port = true", "is not a whole number"),
        ("[store]\ncommit_seconds = true", "is not a number between"),
        ("[store]\nurl = 'mysql://x'", "is not a store such as"),
        ("[brand]\ncolour = 'red;}'", "is not a colour such as"),
        ("[brand]\nhome_url = 'javascript:alert(1)'", "is not a web address such as"),
        ("[brand]\nhome_url = 'https://brand.example/a b'", "is not a web address such as"),
        ("[campaign]\nkind = 'spam'", 'is not one of "marketing", "transactional"'),
        ("server = 3", "is not a section"),
        ("[retention]\njournal_days = -1", "is not a whole number between 0 and 36500"),
    ],
)
def test_a_wrong_value_is_told_in_the_users_words(tmp_path: Path, setting: str, words: str) -> None:
    found = faults(write(tmp_path, setting))
    assert len(found) == 1
    assert words in found[0]
    assert found[0].startswith("config.toml: [")
    assert "\n" not in found[0]


def test_a_toml_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    assert faults(write(tmp_path, "[server]\npublic_port = = 3\n")) == [
        "config.toml: is not TOML: Invalid value (at line 2, column 15)."
    ]


def test_a_file_that_was_named_must_be_there_and_be_readable_text(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    assert faults(missing) == [
        f"{missing}: there is no such file. Name the file with --config, or write one with: linkproxy init"
    ]
    assert faults(None, {"LINKPROXY_CONFIG": str(missing)}) == faults(missing)
    latin = tmp_path / "latin.toml"
    latin.write_bytes("[brand]\nname = 'Müller'\n".encode("latin-1"))
    assert faults(latin) == [f"{latin}: is not UTF-8 text (byte 17). Save it as UTF-8."]
    assert faults(tmp_path) == [f"{tmp_path}: cannot be read: Is a directory."]


def test_who_may_not_read_the_settings_is_told_who_may(tmp_path: Path) -> None:
    path, user = write(tmp_path, "[brand]\n"), os.geteuid()
    path.chmod(0)
    if user == 0:
        os.seteuid(65534)  # root may read everything
    try:
        told = faults(path)
    finally:
        os.seteuid(user)
    assert told == [
        f"{path}: this user may not read it. Run this as the user that linkproxy runs as, or as root."
    ]


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf[brand]\nname = 'M'\n")
    assert load(path, {}).brand.name == "M"


# --- what is written from the classes ----------------------------------------------------------


def test_the_example_file_changes_nothing(tmp_path: Path) -> None:
    assert load(write(tmp_path, example()), {}) == load(write(tmp_path, ""), {})


def test_the_example_file_with_every_line_taken_in_is_the_defaults(tmp_path: Path) -> None:
    keys = {key for _, _, key, _ in settings()}
    lines = [
        line.removeprefix("# ") if line.removeprefix("# ").split(" = ")[0] in keys else line
        for line in example().splitlines()
    ]
    text = "\n".join(lines)
    assert {(name, key) for name, section in tomllib.loads(text).items() for key in section} == {
        (name, key) for name, _, key, _ in settings()
    }
    assert load(write(tmp_path, text), {}).model_dump() == load(write(tmp_path, ""), {}).model_dump()


def test_every_setting_has_a_meaning_a_default_and_words_for_what_it_takes() -> None:
    for section, _, key, field in settings():
        where = f"[{section}] {key}"
        assert field.description, where
        assert field.description.endswith("."), where
        assert not field.is_required(), where
        assert expected(field), where


def test_every_secret_has_a_file_twin() -> None:
    for _, section, key, field in settings():
        assert issubclass(section, BaseModel)
        if "SecretStr" in str(field.annotation):
            assert f"{key}_file" in section.model_fields
