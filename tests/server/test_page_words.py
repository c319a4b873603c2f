"""What the pages say, in which language."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from linkproxy.model import LinkproxyError
from linkproxy.server.pages import Brand, PageName, Pages
from tests.server.conftest import Start, write_config

TEMPLATES = Path(__file__).parents[2] / "templates"
NAMED = Brand(
    "Nordwind & Söhne", "#0b6e4f", "https://northwind.example/", "https://northwind.example/imprint"
)
TEXTS = {
    path.name.split(".")[1]: tomllib.loads(path.read_text("utf-8")) for path in TEMPLATES.glob("words.*.toml")
}


def text(pages: Pages, name: PageName) -> str:
    page = pages.neutral("https://shop.example/")[1] if name is PageName.NEUTRAL else pages.fixed(name)
    return page.decode()


def blanks(text: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", text))


@pytest.mark.parametrize("language", TEXTS)
def test_a_language_says_everything_and_names_what_english_names(language: str) -> None:
    english = TEXTS["en"]
    said = {"direction": "ltr"} | TEXTS[language]
    assert set(said) == set(english)
    assert {name: blanks(text) for name, text in said.items()} == {
        name: blanks(text) for name, text in english.items()
    }


@pytest.mark.parametrize("language", TEXTS)
def test_a_text_without_a_name_names_nobody(language: str) -> None:
    for name, said in TEXTS[language].items():
        if name.endswith("_unnamed"):
            assert blanks(said) == set()
        elif f"{name}_unnamed" not in TEXTS[language]:
            assert "{brand}" not in said, f"{name} needs a form without a name"


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("name", PageName)
def test_every_page_is_in_its_language_with_a_brand_and_without(language: str, name: PageName) -> None:
    for brand in (NAMED, Brand()):
        page = text(Pages(brand, language=language), name)
        assert f'<html lang="{language}">' in page
        assert "{" not in page.partition("</style>")[2]
        assert ("Nordwind &amp; Söhne" in page) is bool(brand.name)


def test_a_host_of_its_own_can_have_a_language_of_its_own() -> None:
    assert "Weiter" in text(Pages(NAMED, language="de"), PageName.NEUTRAL)
    assert "Continue" in text(Pages(NAMED), PageName.NEUTRAL)


async def test_each_tracking_host_speaks_the_language_of_its_mail(start: Start) -> None:
    site = await start(**{"brand": {"language": "fr"}, 'domains."click.own.example"': {"language": "de"}})
    url = f"{site.server.addresses.public}/nothing"
    for host, said in (("click.example", "Ce lien est inconnu"), ("click.own.example", "nicht bekannt")):
        answer = await site.ask(url, headers={**site.BROWSER, "Host": host})
        assert said in await answer.text()


def test_a_language_of_ones_own_lacks_nothing_and_may_run_from_right_to_left(tmp_path: Path) -> None:
    (tmp_path / "words.ar.toml").write_text(
        '\ufeffdirection = "rtl"\nneutral_button = "<متابعة>"\n', encoding="utf-8"
    )
    page = text(Pages(NAMED, tmp_path, "ar"), PageName.NEUTRAL)
    assert '<html lang="ar" dir="rtl">' in page
    assert "&lt;متابعة&gt;" in page
    assert "The full address" in page


def test_words_of_ones_own_go_before_ours(tmp_path: Path) -> None:
    (tmp_path / "words.de.toml").write_text('neutral_button = "Los"\n')
    (tmp_path / "words.en.toml").write_text('thanks_title = "Cheers"\n')
    assert ">Los<" in text(Pages(NAMED, tmp_path, "de"), PageName.NEUTRAL)
    assert "Vielen Dank" in text(Pages(NAMED, tmp_path, "de"), PageName.THANKS)
    assert "Cheers" in text(Pages(NAMED, tmp_path), PageName.THANKS)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"imprint = ", "words.ar.toml: Invalid value"),
        ("imprint = 'Gr\u00fc'".encode("latin-1"), "words.ar.toml: 'utf-8' codec"),
        (b"imprnt = 'x'", "words.ar.toml: imprnt: no page has such a text"),
        (b"imprint = 5", "words.ar.toml: imprint: use a text"),
        (b"imprint = 'of {bramd}'", "words.ar.toml: imprint: use a text"),
        (b"imprint = '{'", "words.ar.toml: imprint: use a text"),
    ],
)
def test_faults_in_words_are_told_at_the_start(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "words.ar.toml").write_bytes(content)
    with pytest.raises(LinkproxyError) as raised:
        Pages(NAMED, tmp_path, "ar")
    assert told in str(raised.value)


def test_a_language_that_nobody_has_is_told_with_those_there_are() -> None:
    with pytest.raises(
        LinkproxyError, match=r"language: there is no words\.xx\.toml\. There are: de, en, es"
    ):
        Pages(NAMED, language="xx")


def test_a_language_is_a_name_and_no_path(tmp_path: Path) -> None:
    with pytest.raises(LinkproxyError, match=r'\[brand\] language: "\.\./de" is no language such as "de"'):
        write_config(tmp_path, brand={"language": "../de"})
