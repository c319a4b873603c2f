"""Links in the charsets of mail: those that can be scanned over bytes, and those that cannot."""

import encodings
import pkgutil

import pytest

from linkproxy.campaign.html import scan

TEXTS = {
    "utf-8": "◆常é",
    "iso-8859-1": "é",
    "iso-8859-15": "€",
    "windows-1252": "é“”",
    "windows-1251": "Привет",
    "koi8-r": "Привет",
    "shift_jis": "ソ表能予",
    "cp932": "ソ表能①",
    "big5": "功許蓋",
    "gbk": "丂乗乚",
    "gb18030": "丂㐀乚",
    "euc-jp": "常表",
    "euc-kr": "한국",
    "ks_c_5601-1987": "한국",
    "iso-2022-jp": "◆常表ソ",
}  # fmt: skip


@pytest.mark.parametrize("charset", TEXTS)
def test_links_are_found_and_read_in_each_charset(charset):
    text = TEXTS[charset]
    html = f'<p>{text}</p><a title="{text}" href="https://x.example/{text}/1">{text}</a>{text}<a href=https://x.example/2>'.encode(
        charset
    )
    first, second = scan(html, charset).links
    assert first.value == f"https://x.example/{text}/1"
    assert (first.text, first.attributes["title"]) == (text, text)
    assert html[first.start : first.end].decode(charset) == first.value
    assert second.value == "https://x.example/2"


@pytest.mark.parametrize(
    "charset",
    [
        "utf-16",
        "utf-16-le",
        "utf-32",
        "utf-7",
        "hz",
        "johab",
        "iso-2022-kr",
        "iso-2022-cn",
        "unicode",
        "cp037",
    ],
)
def test_a_charset_that_hides_markup_is_left_alone(charset):
    found = scan(b"<a href=1>", charset)
    assert not found.readable
    assert found.links == ()


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_characters_under_a_wrong_label_are_left_alone(charset):
    assert not scan("<!doctype html><a href=1>".encode(charset), "utf-8").readable


@pytest.mark.parametrize(
    ("label", "written"),
    [
        ("iso-8859-1", "cp1252"), ("iso-8859-9", "cp1254"), ("gb2312", "gb18030"), ("gbk", "gb18030"), ("shift_jis", "cp932"),
        ("euc-kr", "cp949"),
    ],
)  # fmt: skip
def test_a_label_is_read_as_what_mail_under_it_is_written_in(label, written):
    text = {"cp932": "髙①", "cp949": "똠", "gb18030": "喆镕"}.get(written, "€")
    (link,) = scan(f"<a href='https://x.example/{text}'>".encode(written), label).links
    assert link.value == f"https://x.example/{text}"


def test_an_unknown_charset_is_read_as_windows_1252():
    (link,) = scan("<a href='https://x.example/é'>".encode("cp1252"), "x-no-such").links
    assert link.value == "https://x.example/é"


def test_a_usual_url_reads_the_same_in_every_charset_that_can_be_scanned():
    url = "https://x.example/AZaz09/_.:+,;!$()-?a=1&b=2"
    html = f'<a href="{url.replace("&", "&amp;")}">x</a>'.encode("ascii")
    found = [scan(html, module.name) for module in pkgutil.iter_modules(encodings.__path__)]
    assert {link.value for scanned in found for link in scanned.links} == {url}
    assert sum(scanned.readable for scanned in found) > 60
