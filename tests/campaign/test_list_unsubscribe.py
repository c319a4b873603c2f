"""The header by which mail programs leave a list for their users (RFC 2369, RFC 8058)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from claims.messages import CAMPAIGN, HEAD, HTML, TOKEN, alternative, parsed, part, rewritten

from linkproxy.campaign.compile import stamp
from linkproxy.campaign.message import compile_message
from linkproxy.campaign.mime_parts import MOST_PARTS
from linkproxy.campaign.targets import NoteReason
from linkproxy.model import LinkKind


@pytest.mark.parametrize("eol", [b"\r\n", b"\n"])
def test_list_unsubscribe_is_added_at_the_end_of_the_header(eol):
    raw = (HEAD + part("html", HTML)).replace(b"\r\n", eol)
    compiled, ready = rewritten(raw, list_unsubscribe=True)
    message = parsed(ready)
    link = next(link for link in compiled.new_links if link.key == compiled.keys[0])
    assert link.kind is LinkKind.UNSUBSCRIBE
    assert link.position == max(link.position for link in compiled.new_links)
    assert message["List-Unsubscribe"] == f"<https://click.brand.example/{TOKEN.decode()}/{link.key}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message.keys()[: len(parsed(raw).keys())] == parsed(raw).keys()
    added = ready.index(b"List-Unsubscribe:")
    assert raw.startswith(ready[:added])
    assert ready[added:].split(eol)[2] == b""
    del message["List-Unsubscribe"], message["List-Unsubscribe-Post"]
    assert message.items() == parsed(raw).items()


def test_the_links_of_a_mail_keep_their_keys_when_the_header_is_added():
    raw = HEAD + part("html", HTML, "base64")
    plain = compile_message(raw, CAMPAIGN)
    with_header = compile_message(raw, CAMPAIGN, plain.new_links, list_unsubscribe=True)
    assert with_header.keys[1:] == plain.keys
    assert [link.kind for link in with_header.new_links] == [LinkKind.UNSUBSCRIBE]


@pytest.mark.parametrize(
    ("raw", "campaign", "options"),
    [
        (HEAD + part("html", HTML), replace(CAMPAIGN, base_url="http://click.brand.example"), {}),
        (b"List-Unsubscribe: <mailto:x@y.example>\r\n" + part("html", HTML), CAMPAIGN, {}),
        (b"Subject: x", CAMPAIGN, {}),
        (HEAD + part("html", HTML), CAMPAIGN, {"merge_tag": "{{ id }}"}),
        (HEAD + part("html", HTML), CAMPAIGN, {"shared": True}),
        (alternative(*[part("html", HTML)] * (MOST_PARTS + 1)), CAMPAIGN, {}),
    ],
)
def test_list_unsubscribe_is_not_added_where_it_could_not_work(raw, campaign, options):
    compiled = compile_message(raw, campaign, list_unsubscribe=True, **options)
    assert NoteReason.LIST_UNSUBSCRIBE in [note.reason for note in compiled.notes]
    assert b"List-Unsubscribe-Post" not in stamp(compiled, TOKEN)


@pytest.mark.parametrize("wish", [False, True])
@pytest.mark.parametrize("said", [None, False, True])
def test_list_unsubscribe_is_the_campaigns_choice_unless_the_call_has_its_own(wish, said):
    campaign = replace(CAMPAIGN, list_unsubscribe=wish)
    compiled = compile_message(HEAD + part("html", HTML), campaign, list_unsubscribe=said)
    added = b"List-Unsubscribe-Post: " in stamp(compiled, TOKEN)
    assert added is (wish if said is None else said)
