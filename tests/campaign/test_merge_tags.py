"""Merge tags of well-known mailers: recognised, left alone, and filled in with a reference that reads back."""

from __future__ import annotations

import email
import quopri
import re
from dataclasses import replace
from pathlib import Path

import pytest

from linkproxy.campaign.compile import Compiled, compile_html, stamp, with_reference
from linkproxy.campaign.html import scan
from linkproxy.campaign.message import compile_message
from linkproxy.campaign.targets import NoteReason
from linkproxy.campaign.tokens import Keyring, SigningKey
from linkproxy.model import (
    NOBODY,
    BaitStyle,
    Campaign,
    CampaignId,
    LinkKey,
    LinkKind,
    LinkproxyError,
    RawRequest,
    TokenForm,
)
from linkproxy.visit import intake

DOCS = Path(__file__).parents[2] / "docs"
TOKEN = b"T" * 24
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


# --- the form with a tag -------------------------------------------------------------------------


def plain(html: bytes) -> Compiled:
    keys = iter(f"{number:04}" for number in range(9))
    return compile_html(
        html, CAMPAIGN, (), draw_keys=lambda number, _taken: [LinkKey(next(keys)) for _ in range(number)]
    )


def test_the_merge_tag_form_ends_in_the_tag():
    result = with_reference(
        plain(b'<a href="http://x.example/1">a</a><a href=http://x.example/2>b</a>'), "*|UNIQID|*"
    )
    assert stamp(result, TOKEN) == (
        b'<a href="https://click.brand.example/TTTTTTTTTTTTTTTTTTTTTTTT/0000/*|UNIQID|*">a</a>'
        b"<a href=https://click.brand.example/TTTTTTTTTTTTTTTTTTTTTTTT/0001/*|UNIQID|*>b</a>"
    )


QUOTED = [
    (b"<a href=http://x.example/1 id=a>a</a>", "{{ lp }}", b'"%s"'),
    (b"<a href = http://x.example/1>a</a>", "[lp,fallback=]", b'"%s"'),
    (b"<a href='http://x.example/1' id=a>a</a>", "{{ person|lookup:'lp' }}", b'"%s"'),
    (b'<a href="http://x.example/1" id=a>a</a>', '{{ person|lookup:"lp" }}', b"'%s'"),
    (b"<a href='http://x.example/1'>a</a>", "{{ lp }}", b"'%s'"),
    (b'<a href=" http://x.example/1 ">a</a>', "{{ lp }}", b'"%s"'),
    (b'<a href="http://x.example/1">a</a>', """{{ f('a', "b") }}""", b'"%s"'),
]
"""HTML, a tag, and the value of href that the two come to."""


@pytest.mark.parametrize(("html", "tag", "href"), QUOTED)
def test_a_merge_tag_does_not_end_its_attribute_for_who_reads_the_html_before_it_is_filled_in(
    html: bytes, tag: str, href: bytes
) -> None:
    ready = stamp(with_reference(plain(html), tag), TOKEN)
    url = b"https://click.brand.example/" + TOKEN + b"/0000/" + tag.encode()
    begin, end = re.match(rb"(<a href ?= ?)\S.*?((?: id=a)?>a</a>)", html).groups()
    assert ready == begin + href % url + end


@pytest.mark.parametrize("encoding", ["7bit", "quoted-printable"])
@pytest.mark.parametrize("bait", [BaitStyle.NONE, BaitStyle.HIDDEN])
@pytest.mark.parametrize(("html", "tag", "href"), QUOTED)
def test_a_merge_tag_does_not_end_its_attribute_in_a_message_either(
    html: bytes, tag: str, href: bytes, encoding: str, bait: BaitStyle
) -> None:
    body = quopri.encodestring(html) if encoding == "quoted-printable" else html
    head = f"MIME-Version: 1.0\nContent-Type: text/html\nContent-Transfer-Encoding: {encoding}\n\n"
    raw = head.encode() + body + b"\n"
    ready = stamp(compile_message(raw, replace(CAMPAIGN, bait_style=bait), merge_tag=tag), TOKEN)
    text = email.message_from_bytes(ready).get_payload(decode=True)
    assert isinstance(text, bytes)
    url = rb"https://click\.brand\.example/" + TOKEN + rb"/\w{4}/" + re.escape(tag.encode())
    found = re.findall(rb"""(["']?)""" + url + rb"""(["']?)""", text)
    assert found[len(found) // 2] == (href[:1], href[-1:])  # of three two are bait
    marks = {b'"', b"'"} - {mark for mark in (b'"', b"'") if mark in tag.encode()}
    assert all(before == after in (marks or {b'"'}) for before, after in found)


@pytest.mark.parametrize("tag", ["", "  ", "{{é}}", "a\nb", "lp", "4711", "recipient_id", "contact.id"])
def test_a_merge_tag_that_cannot_be_one_is_refused(tag):
    with pytest.raises(LinkproxyError, match="merge tag"):
        with_reference(plain(b"x"), tag)


@pytest.mark.parametrize(
    "tag",
    [
        "{{email}}",
        "{{ .Subscriber.Email }}",
        "*|EMAIL|*",
        "{contactfield=email}",
        "{contactfield=companyemail}",
        "{{ contact.EMAIL }}",
        "%recipient%",
        "%recipient_email%",
        "{{ user.email_address }}",
        "[[e-mail]]",
        "-email-",
    ],
)
def test_a_merge_tag_that_fills_in_addresses_is_refused(tag):
    with pytest.raises(LinkproxyError, match="fills in mail addresses"):
        with_reference(plain(b"x"), tag)


@pytest.mark.parametrize(
    "tag", ["{{ email|md5 }}", "{{email_hash}}", "%recipient.lp%", "*|EMAIL_ID|*", "-lp-"]
)
def test_a_merge_tag_beside_the_address_is_taken(tag):
    assert stamp(with_reference(plain(b"x"), tag), TOKEN) == b"x"
