import base64
import re
from hashlib import sha256
from pathlib import Path

import pytest

from linkproxy.model import LinkproxyError
from linkproxy.server.pages import Brand, PageName, Pages

FULL = Brand("Northwind", "#0b6e4f", "https://northwind.example/", "https://northwind.example/imprint")


def text(pages: Pages, name: PageName) -> str:
    return pages.fixed(name).decode()


def policy(pages: Pages) -> str:
    return dict(pages.headers)["Content-Security-Policy"]


@pytest.mark.parametrize("name", PageName)
def test_every_page_names_the_brand_and_fits_a_phone(name: PageName) -> None:
    page = text(Pages(FULL), name)
    assert "Northwind" in page
    assert '<meta name="viewport" content="width=device-width' in page
    assert '<html lang="en">' in page


@pytest.mark.parametrize("name", PageName)
def test_every_page_reads_well_without_a_brand(name: PageName) -> None:
    page = text(Pages(Brand()), name)
    assert "None" not in page
    assert 'href=""' not in page


@pytest.mark.parametrize("name", PageName)
def test_no_page_loads_anything(name: PageName) -> None:
    page = text(Pages(FULL), name)
    assert not re.search(r"<(?:script|img|link|iframe|object)\b|\bsrc=|@import|url\(", page)


def test_the_policy_allows_exactly_the_style_that_the_page_carries() -> None:
    pages = Pages(FULL)
    style = re.search(r"<style>(.*?)</style>", text(pages, PageName.NOT_FOUND), re.DOTALL)
    assert style
    digest = base64.b64encode(sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy(pages)
    assert "default-src 'none'" in policy(pages)
    assert "frame-ancestors 'none'" in policy(pages)


def test_markup_in_a_target_stays_text() -> None:
    target = 'https://example.com/?q="><script>alert(1)</script>'
    page = Pages(FULL).neutral(target).decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_markup_in_the_brands_name_stays_text() -> None:
    page = text(Pages(Brand(name="<b>A&B</b>")), PageName.BAIT)
    assert "<b>" not in page
    assert "&lt;b&gt;A&amp;B&lt;/b&gt;" in page


def test_the_neutral_page_shows_the_whole_target_and_one_button_that_posts() -> None:
    target = "https://example.com/path?with=everything&and=more#here"
    page = Pages(FULL).neutral(target).decode()
    assert "https://example.com/path?with=everything&amp;and=more#here" in page
    assert re.findall(r"<form ([^>]*)>", page) == ['method="post"']
    assert page.count("<button") == 1
    assert "Continue" in page


@pytest.mark.parametrize(
    ("colour", "ink"), [("#000000", "#fff"), ("#1f4e79", "#fff"), ("#ffd400", "#111"), ("#ffffff", "#111")]
)
def test_button_text_contrasts_with_the_brands_colour(colour: str, ink: str) -> None:
    assert Brand(colour=colour).ink == ink


def test_own_templates_take_the_place_of_ours_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "not_found.html").write_text(
        '{% extends "base.html" %}{% block title %}Oops{% endblock %}{% block content %}Nothing at {{ brand.name }}{% endblock %}'
    )
    pages = Pages(FULL, tmp_path)
    assert "Nothing at Northwind" in text(pages, PageName.NOT_FOUND)
    assert "I am a person" in text(pages, PageName.BAIT)


def test_own_style_gets_its_own_hash(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("body { color: {{ brand.colour }}; }")
    assert policy(Pages(FULL, tmp_path)) != policy(Pages(FULL))


def test_a_fault_in_an_own_template_is_named_with_its_line_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "thanks.html").write_text("fine\n{% if %}\n")
    with pytest.raises(LinkproxyError, match=r"template thanks\.html, line 2: "):
        Pages(FULL, tmp_path)


def test_an_unknown_name_in_an_own_template_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "thanks.html").write_text("{{ brnad.name }}")
    with pytest.raises(LinkproxyError, match=r"template thanks\.html: 'brnad' is undefined"):
        Pages(FULL, tmp_path)


def test_a_style_that_would_end_its_element_is_refused(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("</style><script>alert(1)</script>")
    with pytest.raises(LinkproxyError, match=r"style\.css"):
        Pages(FULL, tmp_path)


def test_a_template_folder_that_is_not_there_is_told() -> None:
    with pytest.raises(LinkproxyError, match="templates_dir"):
        Pages(FULL, Path("nowhere"))
