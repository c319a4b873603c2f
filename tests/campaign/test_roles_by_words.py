"""Roles: what stands between links tells buttons of the content from a mail's frame."""

import pytest

from linkproxy.campaign.html import scan
from linkproxy.campaign.roles import assign
from linkproxy.campaign.text import scan_text

PARAGRAPH = "<p>Linen shirts, straw hats and all that a summer needs has come into our shops this week.</p>"
SHOP_LOGO = '<a href="https://shop.example/"><img alt="Shop"></a>'
SHOP_FACEBOOK = '<a href="https://www.facebook.com/shop">Facebook</a>'
SHOP_UNSUBSCRIBE = (
    '<p>You get this as a customer. <a href="https://shop.example/unsubscribe">Unsubscribe</a></p>'
)


def button(path, text="Shop now"):
    return f'<a href="https://shop.example/{path}">{text}</a>'


def roles_in(*markup):
    found = scan("".join(markup).encode())
    return [assigned.role.value for assigned in assign(found.links, found.words_before)]


def test_buttons_below_paragraphs_of_their_own_are_no_navigation():
    buttons = [PARAGRAPH + button(path) for path in ("spring", "gifts", "new")]
    assert roles_in(SHOP_LOGO, *buttons, SHOP_UNSUBSCRIBE) == ["header", "body", "body", "body", "footer"]


def test_a_divider_between_short_links_leaves_them_a_navigation():
    bar = "&nbsp;|&nbsp;".join(button(name, name) for name in ("women", "men", "home"))
    story = '<a href="https://shop.example/stories/1">A story that goes on</a>'
    assert roles_in(SHOP_LOGO, bar, story) == ["header"] * 4 + ["body"]


def test_a_button_below_a_paragraph_is_in_no_closing_block_though_social_links_stand_above():
    story = '<a href="https://shop.example/stories/1">A story that goes on</a>'
    assert roles_in(story, SHOP_FACEBOOK, PARAGRAPH, button("sale"), SHOP_UNSUBSCRIBE) == [
        "body",
        "social",
        "body",
        "footer",
    ]


@pytest.mark.parametrize("above", [SHOP_FACEBOOK, '<a href="https://shop.example/terms">Terms of use</a>'])
def test_the_only_links_that_can_be_content_are_in_no_closing_block(above):
    assert roles_in(above, button("start", "Get started"), SHOP_UNSUBSCRIBE)[1:] == ["body", "footer"]


def test_urls_below_paragraphs_of_a_plain_text_are_content():
    text = "".join(
        f"Linen shirts, straw hats and all that a summer needs are here.\nShop now: https://shop.example/{path}\n"
        for path in ("spring", "gifts", "new")
    )
    found = scan_text(f"{text}Unsubscribe: https://shop.example/unsubscribe\n".encode(), "utf-8")
    given = assign(found.links, found.words_before)
    assert [assigned.role.value for assigned in given] == ["body", "body", "body", "footer"]
