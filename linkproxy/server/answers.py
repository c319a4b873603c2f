"""From an answer to what goes over the wire, without any framework: status, headers, body."""

from __future__ import annotations

from binascii import a2b_base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.campaign.hosts import host_of
from linkproxy.model import Answer, AnswerKind
from linkproxy.server.location import location
from linkproxy.server.pages import Headers, PageName, domain_pages, pages
from linkproxy.visit.intake import HOP_COOKIE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from linkproxy.config import Config
    from linkproxy.server.pages import Pages

NOT_STORED: Headers = (("Cache-Control", "no-store"), ("X-Robots-Tag", "noindex, nofollow"))
"""Never kept by a cache: the next request must come to us. Never indexed."""

# What browsers do by default today, said for those that would send the whole URL of a webmail.
# The tracked URL itself never is a Referer after a redirect.
_REDIRECT: Headers = (*NOT_STORED, ("Referrer-Policy", "strict-origin-when-cross-origin"))

_METHODS = ("Allow", "GET, HEAD, POST, OPTIONS")

_PICTURE = a2b_base64("R0lGODlhAQABAIAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
"""One transparent dot (GIF89a specification, sections 17 to 27)."""

_PICTURE_HEADERS: Headers = (
    *NOT_STORED,
    ("Content-Type", "image/gif"),
    ("Cross-Origin-Resource-Policy", "cross-origin"),  # webmail shows it on a page of its own
    ("X-Content-Type-Options", "nosniff"),
)

RETRY_SECONDS = 5

_BAIT_PAGES = {"page": PageName.BAIT, "form": PageName.BAIT_FORM}


@dataclass(frozen=True, slots=True)
class Reply:
    """A response; to HEAD it goes without its body, with the same headers."""

    status: int
    headers: Headers
    body: bytes = b""


class Answers:
    """Knows the reply to each kind of answer."""

    def __init__(self, pages: Pages, *, landing: str = "page", landing_url: str = "") -> None:
        self._pages = pages
        self._builders: Mapping[AnswerKind, Callable[[Answer], Reply]] = {
            AnswerKind.REDIRECT: _redirect,
            AnswerKind.HOP: _redirect,  # by whoever cannot make a nonce
            AnswerKind.NEUTRAL: self._neutral,
            AnswerKind.RETRY: _constant(Reply(503, NOT_STORED)),
            AnswerKind.PRECHECK: _constant(self._precheck()),
            AnswerKind.BAIT: _constant(self._bait(landing, landing_url)),
            AnswerKind.UNSUBSCRIBE: _constant(self._page(PageName.UNSUBSCRIBE)),
            AnswerKind.UNSUBSCRIBED: _constant(self._page(PageName.UNSUBSCRIBED)),
            AnswerKind.CONTINUED: self._continued,
            AnswerKind.PICTURE: _constant(Reply(200, _PICTURE_HEADERS, _PICTURE)),
            AnswerKind.NOT_FOUND: _constant(self._page(PageName.NOT_FOUND, 404)),
        }
        self.not_found = self._builders[AnswerKind.NOT_FOUND](Answer(AnswerKind.NOT_FOUND))
        self.thanks = self._page(PageName.THANKS)
        unavailable = self._page(PageName.UNAVAILABLE, 503)
        self.unavailable = Reply(
            503, (*unavailable.headers, ("Retry-After", str(RETRY_SECONDS))), unavailable.body
        )

    def reply(self, answer: Answer) -> Reply:
        """Return what to send."""
        return self._builders[answer.kind](answer)

    def _page(self, name: PageName, status: int = 200) -> Reply:
        return Reply(status, self._pages.headers, self._pages.fixed(name))

    def _neutral(self, answer: Answer) -> Reply:
        headers, page = self._pages.neutral(location(answer.target))
        return Reply(200, headers, page)

    def _precheck(self) -> Reply:
        """Return a page to programs that only look; nobody reads it.

        Office asks first whether the target exists, and hands the browser whatever a redirect ends
        at; so it gets none, and the browser comes to us.
        """
        return Reply(200, (*self._pages.headers, _METHODS), b"<!doctype html><title>OK</title>\n")

    def _bait(self, landing: str, landing_url: str) -> Reply:
        if landing == "redirect":
            return _redirect(Answer(AnswerKind.REDIRECT, landing_url))
        return self._page(_BAIT_PAGES[landing])

    def _continued(self, answer: Answer) -> Reply:
        if not answer.target:
            return self.thanks
        headers = (*NOT_STORED, ("Referrer-Policy", "no-referrer"), ("Location", location(answer.target)))
        return Reply(303, headers)


class Brands:
    """The replies of each tracking host: in its own brand if it has one, else in the usual one."""

    def __init__(self, usual: Answers, by_host: Mapping[str, Answers]) -> None:
        self.usual = usual
        self._by_host = by_host

    def of_campaign(self, base_url: str, headers: Headers) -> Answers:
        """Return the replies to a visit of a campaign's link, by the host that its mails name."""
        return self._by_host.get(host_of(base_url), self.usual) if base_url else self.of_request(headers)

    def of_request(self, headers: Headers) -> Answers:
        """Return the replies to a request of which only its Host is known."""
        if not self._by_host:
            return self.usual
        said = next((value for name, value in headers if name.lower() == "host"), "")
        return self._by_host.get(host_of(f"http://{said.strip()}/"), self.usual)


def brands(config: Config) -> Brands:
    """Return the replies that the configuration asks for; raise LinkproxyError for a bad template."""
    own = {host: _answers(config, found) for host, found in domain_pages(config).items()}
    return Brands(_answers(config, pages(config)), own)


def _answers(config: Config, pages: Pages) -> Answers:
    return Answers(pages, landing=config.bait.landing, landing_url=config.bait.redirect_url)


def _redirect(answer: Answer) -> Reply:
    return Reply(302, (*_REDIRECT, ("Location", location(answer.target))))


def hop(path: str, location: str, *, secure: bool) -> Reply:
    """Return the extra hop of a tracked URL's path: a nonce in the URL, and a cookie that says 1.

    The cookie tells browsers from programs and nobody from anybody else; it goes nowhere but to
    this link, and ends with the browser's session.
    """
    cookie = f"{HOP_COOKIE}=1; Path={path}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
    return Reply(302, (*_REDIRECT, ("Location", location), ("Set-Cookie", cookie)))


def _constant(reply: Reply) -> Callable[[Answer], Reply]:
    return lambda _answer: reply
