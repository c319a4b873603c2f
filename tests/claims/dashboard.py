"""The dashboard as a browser asks for it: signing in, and what a page says."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from linkproxy.model import Delivery, DeliverySource, Right
from linkproxy.server.keys import hash_key, new_key
from linkproxy.store.api import ApiKey, DeliveryDraft, RecipientDraft

if TYPE_CHECKING:
    import aiohttp

    from tests.server.conftest import Site

COOKIE = "linkproxy"


async def sign_in(site: Site, key: str, onward: str = "", **headers: str) -> aiohttp.ClientResponse:
    form = urlencode({"key": key, "next": onward}).encode()
    own = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    return await site.ask(site.server.addresses.private + "/sign-in", "POST", own, form)


async def session(site: Site, key: str) -> str:
    response = await sign_in(site, key)
    return response.cookies[COOKIE].value


async def new_key_of(site: Site, may: Right = Right.EVERYTHING) -> str:
    made = new_key()
    await site.store.add_api_key(ApiKey("marketer", hash_key(made), site.START, may))
    return made


async def look(site: Site, cookie: str, path: str) -> tuple[int, str]:
    response = await site.ask(site.server.addresses.private + path, headers={"Cookie": f"{COOKIE}={cookie}"})
    return response.status, await response.text()


def text_of(page: str) -> str:
    """Return what a page says, without its markup, with single blanks."""
    visible = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", visible)).split())


async def something_happens(site: Site, address: str = "ben@brand.example") -> None:
    """Anna clicks, a scanner goes over the mail of somebody else, and all is settled."""
    [ben] = await site.store.register_recipients([RecipientDraft(address=address)])
    delivery = Delivery(site.START - 600, DeliverySource.MX)
    await site.store.add_deliveries([DeliveryDraft(site.campaign.id, ben.id, delivery)])
    await site.ask(site.url())
    for key in (*site.TARGETS, site.BAIT):
        await site.ask(site.url(key, ben), headers=site.SCANNER)
        site.clock.now += 0.2
    site.clock.now += 4000
    await site.server.services.settler.once()
