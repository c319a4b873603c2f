"""Which links are somebody's own affair: shown as what they lead to, or on the tracking host itself."""

from dataclasses import replace

import pytest

from linkproxy.campaign.compile import NoteReason, compile_html
from linkproxy.model import BaitStyle, Campaign, CampaignId

BASE = "https://click.brand.example"
CAMPAIGN = Campaign(CampaignId(1), "spring", base_url=BASE, bait_style=BaitStyle.NONE)
SHOWN = replace(CAMPAIGN, leave_shown_urls=True)


def outcome(html, campaign=CAMPAIGN):
    """The targets that are tracked, and why others are not."""
    found = compile_html(html.encode(), campaign)
    return [link.target for link in found.new_links], [(note.reason, note.value) for note in found.notes]


@pytest.mark.parametrize(
    "path", ["/", "/about", f"/{'x' * 23}/ABCD", f"/{'x' * 25}/ABCD", f"/a/{'x' * 24}/ABCD"]
)
def test_what_else_the_tracking_host_serves_is_tracked_like_any_page(path):
    assert outcome(f'<a href="{BASE}{path}">x</a>') == ([BASE + path], [])


def test_a_token_on_another_host_is_part_of_that_hosts_url():
    url = f"https://shop.example/{'x' * 24}/ABCD"
    assert outcome(f'<a href="{url}">x</a>') == ([url], [])


@pytest.mark.parametrize("text", ["www.shop.example", "https://shop.example/a", "<b>Shop.co.uk</b>"])
def test_a_link_that_is_shown_as_a_url_is_left_where_the_campaign_says_so(text):
    url = "https://shop.example/a"
    html = f'<a href="{url}">{text}</a>'
    assert outcome(html) == ([url], [])
    assert outcome(html, SHOWN) == ([], [(NoteReason.SHOWN_URL, url)])


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://shop.example/a">our shop</a>',
        '<a href="https://shop.example/a" data-linkproxy="on">www.shop.example</a>',
        '<a href="https://shop.example/a"><img src="x.png" alt="A picture"></a>',
    ],
)
def test_a_link_with_a_text_of_its_own_or_a_wish_is_tracked_all_the_same(html):
    assert outcome(html, SHOWN) == (["https://shop.example/a"], [])


@pytest.mark.parametrize("base", ["ftp://shop.example/", "https://ann@shop.example/", "mailto:a@b.example"])
def test_a_base_that_no_link_may_lead_to_makes_no_link_absolute(base):
    assert outcome(f'<base href="{base}"><a href="a">x</a>') == ([], [(NoteReason.RELATIVE, "a")])
