"""The pages that people may meet: templates, the brand, and the headers that guard them."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, TemplateError
from jinja2.exceptions import TemplateSyntaxError
from markupsafe import Markup

import linkproxy
from linkproxy.config import BrandSection
from linkproxy.logs import Event, get_logger
from linkproxy.model import LinkproxyError
from linkproxy.server.page_parts import blocked, has_button, links_to
from linkproxy.server.repeats import Repeats
from linkproxy.server.words import ENGLISH, Words, read_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.config import Config, DomainSection


Headers = tuple[tuple[str, str], ...]


class PageName(StrEnum):
    """Every page; its template is ``templates/NAME.html``."""

    NEUTRAL = "neutral"
    BAIT = "bait"
    BAIT_FORM = "bait_form"
    THANKS = "thanks"
    UNSUBSCRIBE = "unsubscribe"
    UNSUBSCRIBED = "unsubscribed"
    NOT_FOUND = "not_found"
    UNAVAILABLE = "unavailable"


_NAMING = frozenset({PageName.NEUTRAL})
"""Pages that name the link's target; templates of the others know none."""

_STYLE = re.compile(r"<style\b[^>]*>(.*?)</style\s*>", re.DOTALL | re.IGNORECASE)
_SAMPLE = "https://example.com/"
_NO_BUTTON = 'it has no <form method="post"> (without action) with a button'


@dataclass(frozen=True, slots=True)
class Brand:
    """What the templates know as ``brand``; empty means not set."""

    name: str = ""
    colour: str = "#1f4e79"
    home_url: str = ""
    imprint_url: str = ""

    @property
    def ink(self) -> str:
        """White or near-black, whichever reads better on the colour.

        By relative luminance, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance; 0.179 is where
        both have the same contrast.
        """
        channels = [int(self.colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        luminance = sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
        return "#fff" if luminance <= 0.179 else "#111"


class Pages:
    """Renders pages in a brand's name and colour.

    All pages but the neutral one never change, so they are rendered once, at the start; faults in
    somebody's own templates show there and not to a visitor. Nothing is read after that.
    """

    def __init__(self, brand: Brand, own_templates: Path | None = None, language: str = ENGLISH) -> None:
        folders = _folders(own_templates)
        self._repeats = Repeats()
        self._environment = Environment(
            # Editors of Windows begin a file with a byte order mark, which would spoil the first rule of CSS.
            loader=ChoiceLoader([FileSystemLoader(folder, encoding="utf-8-sig") for folder in folders]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,  # else a template that is being edited is read by visitors
        )
        words = Words(read_words(folders, language), brand.name)
        self._environment.globals |= {"brand": brand, "language": language, "say": words.say}
        style = self._render("style.css")
        if "</" in style:
            raise LinkproxyError('template style.css: "</" would end the style element; take it out')
        self._environment.globals["style"] = Markup(style)  # noqa: S704  (no markup can start in it, see above; escaped it would be another style)
        self._fixed = {
            name: self._render(f"{name}.html").encode() for name in PageName if name not in _NAMING
        }
        neutral = self._neutral(_SAMPLE)
        self._check_ways_on(neutral)
        self.headers = _headers(neutral, *(page.decode() for page in self._fixed.values()))
        self._shipped = self._plain(brand, language) if own_templates else None

    @staticmethod
    def _plain(brand: Brand, language: str) -> Pages:
        """Return our own pages, in English where the language is somebody's own."""
        try:
            return Pages(brand, language=language)
        except LinkproxyError:
            return Pages(brand)

    def blocked(self) -> list[str]:
        """Return what browsers leave out of the pages, each once, with the page that has it."""
        texts = {name: page.decode() for name, page in self._fixed.items()}
        texts |= {PageName.NEUTRAL: self._neutral(_SAMPLE)}
        found = {part: name for name, page in reversed(texts.items()) for part in blocked(page)}
        return [f"{name}.html: {part}" for part, name in found.items()]

    def fixed(self, name: PageName) -> bytes:
        """Return a page that says the same to everyone: any but the neutral one."""
        return self._fixed[name]

    def neutral(self, target: str) -> tuple[Headers, bytes]:
        """Return headers and body of the neutral page: the true target (a URL in ASCII) in plain sight."""
        try:
            return self.headers, self._neutral(target).encode()
        except LinkproxyError as error:
            if self._shipped is None:
                raise
            # It read well with the sample; whoever follows this link is not to be stopped by it.
            if self._repeats.is_news(str(error)):
                get_logger().error(Event.PAGE_FAILED, error=str(error))
            return self._shipped.neutral(target)

    def _neutral(self, target: str) -> str:
        host = urlsplit(target).hostname or target
        return self._render(f"{PageName.NEUTRAL}.html", target=target, host=host)

    def _check_ways_on(self, neutral: str) -> None:
        if not (has_button(neutral) or links_to(neutral, _SAMPLE)):
            raise LinkproxyError(
                f"template {PageName.NEUTRAL}.html: {_NO_BUTTON}, so that nobody gets on from it"
            )
        if not has_button(self._fixed[PageName.UNSUBSCRIBE].decode()):
            raise LinkproxyError(
                f"template {PageName.UNSUBSCRIBE}.html: {_NO_BUTTON}, so that nobody gets off the list"
            )

    def _render(self, file: str, **values: Any) -> str:
        try:
            return self._environment.get_template(file).render(values)
        except TemplateSyntaxError as error:
            raise LinkproxyError(
                f"template {error.name or file}, line {error.lineno}: {error.message}"
            ) from None
        except TemplateError as error:
            raise LinkproxyError(f"template {file}: {error.message or error}") from None
        except RecursionError:
            raise LinkproxyError(
                f"template {file}: it extends or includes itself; your own base.html cannot build on ours"
            ) from None
        except Exception as error:  # noqa: BLE001  (templates compute, and may fail in any way)
            raise LinkproxyError(f"template {file}: {type(error).__name__}: {error}") from None


def pages(config: Config) -> Pages:
    """Return the pages that the configuration asks for; raise LinkproxyError for a bad template."""
    return _pages(config.brand, "[brand]")


def domain_pages(config: Config) -> dict[str, Pages]:
    """Return the pages of each tracking host that has a brand of its own; raise LinkproxyError."""
    usual = {key: getattr(config.brand, key) for key in BrandSection.model_fields}
    return {
        host: _pages(BrandSection.model_construct(**usual | _set(section)), f'[domains."{host}"]')
        for host, section in config.domains.items()
    }


def _set(section: DomainSection) -> dict[str, Any]:
    return {key: getattr(section, key) for key in section.model_fields_set}


def _pages(section: BrandSection, where: str) -> Pages:
    brand = Brand(section.name, section.colour, section.home_url, section.imprint_url)
    own = Path(section.templates_dir) if section.templates_dir else None
    try:
        return Pages(brand, own, section.language)
    except LinkproxyError as error:
        raise LinkproxyError(f"{where} {error}") from None


def _headers(*pages: str) -> Headers:
    """Return the headers of every page, which allow the styles that ``pages`` carry.

    form-action stays open to http(s), since Chromium applies it to where a form's answer redirects
    as well, and Continue leads to the target. The forms are our own and autoescaping keeps others
    out. No Referer leaves a page, since its URL carries the message's token.
    """
    # Of what the browser reads: a blank or a rule that a template of somebody's own adds changes it.
    styles = dict.fromkeys(style for page in pages for style in _STYLE.findall(page))
    digests = [base64.b64encode(sha256(style.encode()).digest()).decode("ascii") for style in styles]
    policy = (
        "default-src 'none'",
        "style-src " + (" ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"),
        "img-src data:",  # a logo inside somebody's own template
        "form-action 'self' https: http:",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", "; ".join(policy)),
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("X-Robots-Tag", "noindex, nofollow"),
    )


def shipped_folder() -> Path:
    """Return the folder with linkproxy's own templates."""
    package = Path(linkproxy.__file__).parent
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"  # in a working copy


def _folders(own: Path | None) -> Sequence[Path]:
    shipped = shipped_folder()
    if own is None:
        return [shipped]
    if not own.is_dir():
        raise LinkproxyError(f"templates_dir: {own} is not a folder. Make it, or leave the setting empty.")
    return [own, shipped]
