"""Roles: what stands above the content and below it."""

from linkproxy.campaign.html import FoundLink
from linkproxy.campaign.roles import assign


def link(value="https://e.example/a/b", text=""):
    return FoundLink(0, 0, value, value.encode(), '"', "a", text, {}, 0)


def roles(*links):
    return [assigned.role.value for assigned in assign(links)]


CONTENT = [link(f"https://e.example/articles/{number}", "A story that goes on") for number in range(4)]
LOGO = link("https://www.acme.example/", "Acme")
PRIVACY = link("https://acme.example/privacy", "Privacy")
CONTACT = link("https://acme.example/contact", "Contact us")
LINKEDIN = link("https://www.linkedin.com/company/acme", "")


def test_logo_and_navigation_above_the_content_are_header():
    bar = [link(f"https://www.acme.example/{name}", name) for name in ("shop", "guides", "events")]
    assert roles(LOGO, *bar, *CONTENT) == ["header"] * 4 + ["body"] * 4


def test_two_short_links_are_no_navigation():
    buttons = [
        link("https://www.acme.example/start", "Start now"),
        link("https://www.acme.example/demo", "Demo"),
    ]
    assert roles(LOGO, *buttons, *CONTENT) == ["header"] + ["body"] * 6


def test_what_leaves_the_list_beside_short_links_makes_no_navigation():
    shop = link("https://www.acme.example/shop", "Shop")
    leave = link("https://www.acme.example/unsubscribe", "Unsubscribe")
    assert roles(leave, shop, PRIVACY, *CONTENT) == ["footer", "body", "legal", *["body"] * 4]


def test_links_to_no_page_beside_a_short_one_make_no_navigation():
    shop = link("https://www.acme.example/shop", "Shop")
    mails = [link(f"mailto:{name}@acme.example", name) for name in ("sales", "jobs")]
    assert roles(*mails, shop, *CONTENT)[2] == "body"


def test_a_long_run_of_short_links_is_a_list_and_no_navigation():
    products = [link(f"https://www.acme.example/p{number}", "Details") for number in range(12)]
    assert roles(LOGO, *products, *CONTENT) == ["header"] + ["body"] * 16


def test_a_closing_block_takes_in_what_stands_inside_it():
    assert roles(*CONTENT, LINKEDIN, CONTACT, LOGO, PRIVACY) == ["body"] * 4 + [
        "social",
        "footer",
        "footer",
        "legal",
    ]


def test_three_short_links_of_the_content_end_a_closing_block():
    offers = [link(f"https://www.acme.example/p{number}", "Details") for number in range(3)]
    assert roles(*CONTENT, LINKEDIN, *offers[1:], PRIVACY)[5:] == ["footer", "footer", "legal"]
    assert roles(*CONTENT, LINKEDIN, *offers, PRIVACY)[5:] == ["body", "body", "body", "legal"]


def test_a_call_to_contact_above_the_closing_block_is_content():
    assert roles(*CONTENT, CONTACT, PRIVACY)[-2:] == ["body", "legal"]


def test_social_links_amid_the_content_begin_no_closing_block():
    assert roles(LOGO, LINKEDIN, *CONTENT, PRIVACY) == ["header", "social", *["body"] * 4, "legal"]


def test_mail_and_phone_links_do_not_end_a_closing_block():
    phones = [link(f"tel:+4930{number}", "Call us") for number in range(5)]
    assert roles(*CONTENT, LINKEDIN, *phones, PRIVACY)[4:] == ["social", *["footer"] * 5, "legal"]


def test_a_mail_without_links_or_with_one_has_roles_too():
    assert assign([]) == []
    assert roles(link("https://app.example/reset/1", "Reset your password")) == ["body"]
