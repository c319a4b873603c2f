import base64
import re
from hashlib import sha256
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from linkproxy.model import LinkproxyError
from linkproxy.server.pages import Brand, PageName, Pages

FULL = Brand("Northwind", "#0b6e4f", "https://northwind.example/", "https://northwind.example/imprint")


def text(pages: Pages, name: PageName) -> str:
    if name is PageName.NEUTRAL:
        return pages.neutral("https://shop.example/spring")[1].decode()
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
    page = Pages(FULL).neutral(target)[1].decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_markup_in_the_brands_name_stays_text() -> None:
    page = text(Pages(Brand(name="<b>A&B</b>")), PageName.BAIT)
    assert "<b>" not in page
    assert "&lt;b&gt;A&amp;B&lt;/b&gt;" in page


def test_the_neutral_page_shows_the_whole_target_and_one_button_that_posts() -> None:
    target = "https://example.com/path?with=everything&and=more#here"
    page = Pages(FULL).neutral(target)[1].decode()
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


BUTTON = '<form method="post"><button>On</button></form>'


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("thanks.html", "Gr\u00fc\u00dfe".encode("latin-1"), "thanks.html: UnicodeDecodeError"),
        ("thanks.html", b"{{ 1 // 0 }}", "thanks.html: ZeroDivisionError"),
        ("thanks.html", b"{{ brand.name + 1 }}", "thanks.html: TypeError"),
        ("thanks.html", b'{% extends "frame.html" %}', "thanks.html: frame.html"),
        ("base.html", b'{% extends "base.html" %}', "extends or includes itself"),
        ("style.css", b"\xff", "style.css: UnicodeDecodeError"),
    ],
)
def test_whatever_is_wrong_with_an_own_template_is_told_at_the_start(
    tmp_path: Path, file: str, content: bytes, told: str
) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(LinkproxyError) as raised:
        Pages(FULL, tmp_path)
    assert told in str(raised.value)


@pytest.mark.parametrize("name", [name for name in PageName if name is not PageName.NEUTRAL])
def test_a_page_that_is_shown_for_no_link_knows_no_target(tmp_path: Path, name: PageName) -> None:
    (tmp_path / f"{name}.html").write_text(BUTTON + "{{ target }}")
    with pytest.raises(LinkproxyError, match="'target' is undefined"):
        Pages(FULL, tmp_path)


@pytest.mark.parametrize(
    ("name", "page"),
    [
        (PageName.NEUTRAL, "{{ target }}"),
        (PageName.NEUTRAL, '<form method="get"><button>On</button></form>'),
        (PageName.NEUTRAL, '<form method="post" action="/on"><button>On</button></form>'),
        (PageName.NEUTRAL, '<form method="post"><button type="button">On</button></form>'),
        (PageName.UNSUBSCRIBE, '<a href="https://northwind.example/">On</a>'),
    ],
)
def test_a_page_without_a_way_on_is_refused_at_the_start(tmp_path: Path, name: PageName, page: str) -> None:
    (tmp_path / f"{name}.html").write_text(page)
    with pytest.raises(LinkproxyError, match=f"{name}.html: it has no <form method"):
        Pages(FULL, tmp_path)


@pytest.mark.parametrize(
    "page",
    [BUTTON, "<FORM METHOD=POST ACTION=''><INPUT TYPE=Submit></FORM>", '<a href="{{ target }}">On</a>'],
)
def test_a_button_or_a_link_is_a_way_on(tmp_path: Path, page: str) -> None:
    (tmp_path / "neutral.html").write_text(page)
    Pages(FULL, tmp_path)


def test_templates_are_read_at_the_start_and_never_again(tmp_path: Path) -> None:
    (tmp_path / "base.html").write_text("Mine{% block content %}{% endblock %}")
    pages = Pages(FULL, tmp_path)
    (tmp_path / "base.html").write_text("{% half written")
    assert text(pages, PageName.NEUTRAL).startswith("Mine")
    (tmp_path / "base.html").unlink()
    assert text(pages, PageName.NEUTRAL).startswith("Mine")


def test_who_follows_a_link_at_which_an_own_template_fails_gets_our_page(tmp_path: Path) -> None:
    (tmp_path / "neutral.html").write_text(BUTTON + "{{ host.split('.')[1] }}")
    (tmp_path / "style.css").write_text("body { color: {{ brand.colour }}; }")
    pages = Pages(FULL, tmp_path)
    assert text(pages, PageName.NEUTRAL).endswith("example")
    headers, page = pages.neutral("https://localhost/spring")
    assert b"https://localhost/spring" in page
    style = re.search(rb"<style>(.*?)</style>", page, re.DOTALL)
    assert style
    assert base64.b64encode(sha256(style[1]).digest()).decode() in dict(headers)["Content-Security-Policy"]


def test_a_template_that_fails_for_every_visitor_is_logged_once(tmp_path: Path) -> None:
    (tmp_path / "neutral.html").write_text(BUTTON + "{{ host.split('.')[1] }}")
    pages = Pages(FULL, tmp_path)
    with capture_logs() as logs:
        for _ in range(3):
            pages.neutral("https://localhost/spring")
    assert [line["event"] for line in logs] == ["page.failed"]


def test_a_byte_order_mark_is_no_part_of_a_template(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_bytes(b"\xef\xbb\xbfbody { margin: 0; }")
    (tmp_path / "thanks.html").write_bytes(b"\xef\xbb\xbf<!doctype html><style>{{ style }}</style>")
    assert text(Pages(FULL, tmp_path), PageName.THANKS).startswith("<!doctype html><style>body {")


def test_styles_in_own_templates_are_allowed_as_the_browser_reads_them(tmp_path: Path) -> None:
    (tmp_path / "base.html").write_text(
        "<STYLE>\n  {{ style }}\n</STYLE >{% block content %}{% endblock %}", newline="\r\n"
    )
    (tmp_path / "thanks.html").write_text("<style media=print>p { color: red; }</style>")
    pages = Pages(FULL, tmp_path)
    for page in (text(pages, PageName.BAIT), text(pages, PageName.THANKS)):
        style = re.search(r"<style[^>]*>(.*?)</style", page, re.DOTALL | re.IGNORECASE)
        assert style
        assert "\r" not in style[1]
        assert base64.b64encode(sha256(style[1].encode()).digest()).decode() in policy(pages)


def test_pages_without_a_style_allow_none(tmp_path: Path) -> None:
    (tmp_path / "base.html").write_text("{% block content %}{% endblock %}")
    assert "style-src 'none'" in policy(Pages(FULL, tmp_path))


@pytest.mark.parametrize(
    "part",
    [
        '<img src="https://northwind.example/logo.png">',
        "<img srcset='a.png 2x'>",
        '<link rel="stylesheet" href="/style.css">',
        '<script src="https://count.example/c.js">',
        "<script>",
        '<p style="color: red">',
        '<body onload="go()">',
    ],
)
def test_what_browsers_leave_out_of_own_pages_is_known(tmp_path: Path, part: str) -> None:
    (tmp_path / "base.html").write_text(f"{part}</script>{{% block content %}}{{% endblock %}}")
    assert [told.partition(": ")[2] for told in Pages(FULL, tmp_path).blocked()] == [part]


def test_a_style_that_loads_something_is_known(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text(
        '@import "x.css"; body { background: url("https://a.example/b.png"); list-style: url(data:image/png;base64,AA==); }'
    )
    told = [told.partition(": ")[2] for told in Pages(FULL, tmp_path).blocked()]
    assert told == ['@import "x.css"', 'url("https://a.example/b.png")']


def test_nothing_is_left_out_of_our_pages_nor_of_pictures_in_the_page(tmp_path: Path) -> None:
    assert Pages(FULL).blocked() == []
    (tmp_path / "thanks.html").write_text(
        '<img alt="Northwind" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">'
    )
    assert Pages(FULL, tmp_path).blocked() == []
