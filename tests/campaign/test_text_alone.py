"""A plain text by itself, as the JSON API takes it: tracked URLs, and every other byte as it was."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.campaign.compile import stamp
from linkproxy.campaign.message import compile_text
from linkproxy.model import Campaign, CampaignId, LinkKind

CAMPAIGN = Campaign(CampaignId(7), "spring", base_url="https://click.brand.example")
TRACKED = re.compile(rb"https://click\.brand\.example/T{24}/([0-9A-Za-z]{4})(/\{\{id\}\})?")
PIECES = st.sampled_from(
    ["https://x.example/1", "http://y.example/?a=1&b=2", " ", "\n", "\r\n", "(", ").", "Grüße", "--b\n", "From: x\n", "Content-Type: text/html\n\n", "<", ">", "https://", "\0", "。"]
)  # fmt: skip


def escaped(text: bytes) -> bytes:
    """Letters beyond ASCII stand in a target percent-encoded, and in a text as they are."""
    return re.sub(rb"[\x80-\xff]", lambda found: b"%%%02X" % found[0][0], text)


def test_a_text_that_looks_like_a_header_is_text() -> None:
    text = b"Content-Type: text/html\n\nhttps://x.example/1"
    compiled = compile_text(text, CAMPAIGN)
    assert stamp(compiled, b"T" * 24).startswith(b"Content-Type: text/html\n\nhttps://click.brand.example/")
    assert [link.kind for link in compiled.new_links] == [LinkKind.CONTENT]


def test_an_empty_text_is_an_empty_text() -> None:
    assert stamp(compile_text(b"", CAMPAIGN), b"T" * 24) == b""


def test_a_text_gets_no_header_though_the_campaign_wants_one_for_messages() -> None:
    campaign = replace(CAMPAIGN, list_unsubscribe=True)
    compiled = compile_text(b"Hello\n", campaign)
    assert (stamp(compiled, b"T" * 24), compiled.new_links, compiled.notes) == (b"Hello\n", (), ())


@settings(max_examples=200)
@given(st.lists(PIECES, max_size=12), st.sampled_from([None, "{{id}}"]))
def test_every_text_is_what_it_was_but_for_its_urls(pieces: list[str], tag: str | None) -> None:
    text = "".join(pieces).encode()
    compiled = compile_text(text, CAMPAIGN, merge_tag=tag)
    targets = {link.key.encode(): link.target.encode() for link in compiled.new_links}
    back = TRACKED.sub(lambda found: targets[found[1]], stamp(compiled, b"T" * 24))
    assert escaped(back) == escaped(text)
    assert all(
        (found[2] is not None) == (tag is not None) for found in TRACKED.finditer(stamp(compiled, b"T" * 24))
    )
