"""Claims about the export of a recipient: who asks for their data cannot look numbers up."""

from __future__ import annotations

import json
from dataclasses import replace

from store.world import BROWSER, key, send

from linkproxy.model import StrayReason


class ExportContract:
    async def test_an_export_tells_what_browsers_said_and_names_campaigns_and_links(self, store, mail):
        other = await send(store, "other", who=("ann@a.example",))
        await other.visited(other.visit(1, link=1))
        await mail.visited(mail.visit())
        await mail.append(mail.stray(4, reason=StrayReason.UNKNOWN_KEY, recipient_id=mail.ann.id))
        found = await store.export_recipient(mail.ann.id)
        profiles = {row["id"]: row for row in found["profile"]}
        assert set(profiles) == {row["profile_id"] for row in found["visit"] + found["stray"]}
        told = profiles[found["visit"][0]["profile_id"]]
        assert (told["agent"], ["accept", "text/html"]) == ("Example/1.0", told["content"]["headers"][1])
        names = {row["id"]: row["name"] for row in found["campaign"]}
        assert names == {mail.campaign.id: "news", other.campaign.id: "other"}
        targets = {(row["campaign_id"], row["key"]): row["target"] for row in found["link"]}
        assert targets[other.campaign.id, key(1)] == "https://shop.example/other/1"
        assert targets[mail.campaign.id, key(0)] == "https://shop.example/news/0"

    async def test_an_export_holds_no_header_of_anybody_else(self, store, mail):
        foreign = replace(BROWSER, headers=(("user-agent", "Bob/1.0"),), agent="Bob/1.0")
        await mail.visited(mail.visit(), mail.visit(1, who=mail.bob, profile=foreign))
        assert "Bob/1.0" not in json.dumps(await store.export_recipient(mail.ann.id))
