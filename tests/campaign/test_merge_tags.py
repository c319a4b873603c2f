"""Merge tags of well-known mailers: recognised, left alone, and filled in with a reference that reads back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from linkproxy.campaign.compile import compile_html, stamp, with_reference
from linkproxy.campaign.html import scan
from linkproxy.campaign.targets import NoteReason
from linkproxy.campaign.tokens import Keyring, SigningKey
from linkproxy.model import NOBODY, BaitStyle, Campaign, CampaignId, LinkKind, RawRequest, TokenForm
from linkproxy.visit import intake

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "merge-tags.md").read_text("utf-8")
KEYRING = Keyring([SigningKey(1, bytes(range(32)))])
CAMPAIGN = Campaign(
    CampaignId(7), "spring", base_url="https://click.brand.example", bait_style=BaitStyle.NONE
)
TRACKED = re.compile(rb"https://click\.brand\.example(/[A-Za-z0-9_-]{24}/[A-Za-z0-9]{4}/)")

# mailer, the tag in tracked links, other tags that its mails carry, its unsubscribe tag
MAILERS = [
    (
        "listmonk",
        "{{ .Subscriber.Attribs.lp }}",
        ["{{ .Subscriber.FirstName }}", '{{ L.T "a > b" }}'],
        "{{ UnsubscribeURL }}",
    ),
    (
        "listmonk",
        "{{ .Subscriber.UUID }}",
        ['{{ if eq .Subscriber.Status "enabled" }}x{{ end }}'],
        "{{ UnsubscribeURL }}",
    ),
    ("Mautic", "{contactfield=lp}", ["{contactfield=firstname|friend}", "{signature}"], "{unsubscribe_url}"),
    ("Mautic", "{contactfield=id}", ["{ownerfield=email}"], "{unsubscribe_url}"),
    ("Mailchimp", "*|LP|*", ["*|FNAME|*", "*|IF:LP|*x*|END:IF|*"], "*|UNSUB|*"),
    ("Mailchimp", "*|UNIQID|*", ["*|LIST:ADDRESS|*"], "*|UNSUB|*"),
    ("SendGrid", "{{lp}}", ["{{first_name}}", "{{#if lp}}x{{/if}}"], "{{{unsubscribe}}}"),
    ("SendGrid", "-lp-", ["-firstName-"], "<%asm_group_unsubscribe_raw_url%>"),
    ("Mailgun", "%recipient.lp%", ["%recipient.name%", "%recipient_email%"], "%unsubscribe_url%"),
    ("Mailgun", "{{lp}}", ["{{#each items}}x{{/each}}"], "%mailing_list_unsubscribe_url%"),
    ("Brevo", "{{ contact.LP }}", ["{{ contact.FIRSTNAME|default:'friend' }}"], "{{ unsubscribe }}"),
    ("Brevo", "{{ params.lp }}", ["{% if contact.LP %}x{% endif %}"], "{{ unsubscribe }}"),
    ("Postmark", "{{lp}}", ["{{#each items}}x{{/each}}"], "{{{ pm:unsubscribe }}}"),
    ("SES", "{{lp}}", ["{{name}}", "{{#if name}}x{{/if}}"], "{{amazonSESUnsubscribeUrl}}"),
    ("Mailjet", "{{data:lp}}", ['{{data:firstname:"friend"}}'], "[[UNSUB_LINK_EN]]"),
    ("Mailjet", "{{var:lp}}", ["{% if var:lp %}x{% endif %}"], "[[UNSUB_LINK_EN]]"),
    ("Klaviyo", '{{ person|lookup:"lp" }}', ['{{ first_name|default:"friend" }}'], "{% unsubscribe_link %}"),
    ("phpList", "[LP]", ["[FIRST NAME%%friend]", "[EMAIL]"], "[UNSUBSCRIBEURL]"),
    ("phpList", "[UUID]", ["[PREFERENCESURL]"], "[UNSUBSCRIBEURL]"),
]
# Nothing tells this one from text, as the page says.
INSIDE = {"-lp-": "{{lp}}"}
each_mailer = pytest.mark.parametrize(("mailer", "tag", "others", "leave"), MAILERS)


def template(others: list[str], leave: str, inside: str) -> bytes:
    words = " ".join(others)
    return (
        f"<p title='{others[0]}'>Dear {words}, <a href='https://www.brand.example/?a=1&amp;b=2'>Spring</a></p>"
        f"<p><a class=x href=\"{leave}\">Unsubscribe</a> <a href='https://www.brand.example/?to={inside}'>x</a></p>"
    ).encode()


def rewritten(html: bytes, tag: str, *, by_reference: bool = True) -> tuple[bytes, list[NoteReason]]:
    compiled = compile_html(html, CAMPAIGN, by_reference=by_reference)
    token = KEYRING.sign(CAMPAIGN.id, NOBODY, TokenForm.REFERENCE)
    ready = stamp(with_reference(compiled, tag), token.encode())
    return ready, [note.reason for note in compiled.notes]


@each_mailer
def test_a_mailers_tags_survive_byte_for_byte_and_its_links_are_left_alone(
    mailer: str, tag: str, others: list[str], leave: str
) -> None:
    html = template(others, leave, INSIDE.get(tag, tag))
    ready, reasons = rewritten(html, tag)
    assert reasons == [NoteReason.UNSUBSCRIBE, NoteReason.MERGE_TAG_INSIDE]
    [prefix] = [match.group() for match in TRACKED.finditer(ready)]
    assert ready.replace(prefix + tag.encode(), b"https://www.brand.example/?a=1&amp;b=2") == html


@each_mailer
def test_what_the_mailer_fills_in_reads_back_as_a_verified_reference(
    mailer: str, tag: str, others: list[str], leave: str
) -> None:
    ready, _ = rewritten(template(others, leave, INSIDE.get(tag, tag)), tag)
    sent = ready.replace(tag.encode(), KEYRING.sign_reference("K-4711").encode())
    found = [link.value for link in scan(sent).links if TRACKED.match(link.value.encode())]
    path = found[0].removeprefix("https://click.brand.example")
    visit = intake.read(RawRequest("GET", path, (), "198.51.100.7", 0.0), intake.Gate(KEYRING))
    assert (visit.reference, visit.verified) == ("K-4711", True)


@each_mailer
def test_a_tag_that_nobody_filled_in_is_no_reference(
    mailer: str, tag: str, others: list[str], leave: str
) -> None:
    found = KEYRING.check_reference(tag)
    assert found in {None, (tag, False)}
    assert (found is None) == (tag != "-lp-")


@each_mailer
def test_every_mailer_has_a_page_with_its_tags(mailer: str, tag: str, others: list[str], leave: str) -> None:
    assert f"[{mailer}](mailers/{mailer.lower()}.md)" in PAGE
    page = (DOCS / "mailers" / f"{mailer.lower()}.md").read_text("utf-8")
    assert f"--merge-tag '{tag}'" in page
    assert f"`{leave}`" in page


def test_the_table_of_all_mailers_has_the_tags_that_their_pages_have() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(mailers/\w+\.md\) \| (.*) \|$", PAGE, re.MULTILINE)
    assert {mailer for mailer, _ in rows} == {mailer for mailer, *_ in MAILERS}
    known = {(mailer, text) for mailer, tag, _, leave in MAILERS for text in (tag, leave)}
    for mailer, cells in rows:
        told = [cell.strip("`").replace("\\|", "|") for cell in cells.split(" | ")]
        assert {(mailer, text) for text in told if text != "none"} <= known


@pytest.mark.parametrize(
    "url",
    [
        "https://www.brand.example/?q=100%25recipient",
        "https://www.brand.example/50%",
        "https://www.brand.example/%E2%80%93x",
    ],
)
def test_percent_encoding_is_not_taken_for_a_tag(url: str) -> None:
    [link] = scan(f'<a href="{url}">x</a>'.encode()).links
    assert not link.merge_tag


def test_with_signed_references_an_unsubscribe_link_can_be_handed_over() -> None:
    html = b'<p><a data-linkproxy="unsubscribe" href="">Unsubscribe</a></p>'
    kept = compile_html(html, CAMPAIGN, by_reference=True)
    handed = compile_html(html, CAMPAIGN)
    assert not kept.new_links
    assert [link.kind for link in handed.new_links] == [LinkKind.UNSUBSCRIBE]
