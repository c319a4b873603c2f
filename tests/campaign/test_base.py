"""Relative links beside ``<base href>``."""

import pytest

from linkproxy.campaign.compile import compile_html
from linkproxy.campaign.targets import NoteReason
from linkproxy.model import BaitStyle, Campaign, CampaignId

CAMPAIGN = Campaign(
    CampaignId(1), "spring", base_url="https://click.brand.example", bait_style=BaitStyle.NONE
)


def targets(html):
    return [link.target for link in compile_html(html, CAMPAIGN).new_links]


@pytest.mark.parametrize(
    ("href", "target"),
    [
        ("go/https://y.example/z", "https://x.example/a/go/https://y.example/z"),
        ("..//c/./%2E%2e/d/..", "https://x.example//"),
        ("?d=1#", "https://x.example/a/b?d=1#"),
        ("/c?", "https://x.example/c?"),
        ("../../../c/.", "https://x.example/c/"),
    ],
)
def test_a_relative_link_leads_where_a_browser_goes(href, target):
    assert targets(f'<base href="https://x.example/a/b?q#f"><a href="{href}">'.encode()) == [target]


@pytest.mark.parametrize("base", ["{{lang}}/", "*|LANG|*/", "<%=lang%>/", "%LANG%/", "[LANG]/", "${lang}/"])
def test_a_base_with_a_merge_tag_gives_relative_links_no_target(base):
    html = f'<base href="https://x.example/{base}"><a href="a"><a href="https://y.example/">'.encode()
    assert targets(html) == ["https://y.example/"]
    assert [note.reason for note in compile_html(html, CAMPAIGN).notes] == [NoteReason.RELATIVE]
