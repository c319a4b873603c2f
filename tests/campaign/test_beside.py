"""Links whose own text says nothing: what their sentence, or what is read aloud of them, tells."""

import re

import pytest

from linkproxy.campaign.html import scan
from linkproxy.campaign.roles import assign
from linkproxy.model import LinkRole


def leaving(paragraph):
    """Which links of a paragraph leave the list; their targets say nothing."""
    places = iter(range(9))
    marked = re.sub("<a>", lambda _: f'<a href="https://t.example/r/{next(places)}xyz">', paragraph)
    html = f'<p><a href="https://x.example/a/b">Buy it</a></p><table><tr><td>{marked}</td></tr></table>'
    _, *links = scan(html.encode()).links
    return [assigned.unsubscribe for assigned in assign(links)]


@pytest.mark.parametrize(
    "paragraph",
    [
        "If you no longer wish to receive these emails you can <a>click here</a>.",
        "<a>Click here</a> to unsubscribe from this list.",
        "<a><div>Click here</div></a> to unsubscribe from this list.",
        "You get this because you are a member.<br>To stop receiving these mails,<br>\n<a><b>click</b> here</a>.",
        "Don't want these emails? <a>Click here</a>",
        "<span>Unsubscribe from our mails</span> <font color=red><a>here</a></font>",
        "Wenn Sie keine weiteren E-Mails erhalten m\u00f6chten, klicken Sie bitte <a>hier</a>.",
        "Falls Sie ihn nicht mehr lesen m\u00f6chten, k\u00f6nnen Sie sich <a>hier</a> abmelden.",
        "Pour vous d\u00e9sabonner, <a>cliquez ici</a>.",
        "Si no desea recibir m\u00e1s correos, haga clic <a>aqu\u00ed</a>.",
        "Per non ricevere pi\u00f9 le nostre email, <a>clicca qui</a>.",
        "Wil je deze nieuwsbrief niet meer ontvangen? <a>Klik hier</a>",
        "Se n\u00e3o deseja mais receber nossos e-mails, <a>clique aqui</a>.",
        "Je\u015bli nie chcesz otrzymywa\u0107 newslettera, <a>kliknij tutaj</a>.",
        "Vill du inte l\u00e4ngre f\u00e5 v\u00e5ra nyhetsbrev? <a>Klicka h\u00e4r</a>",
        "\u30e1\u30fc\u30eb\u306e\u914d\u4fe1\u505c\u6b62\u306f<a>\u3053\u3061\u3089</a>",
        "\u5982\u679c\u60a8\u4e0d\u60f3\u518d\u6536\u5230\u90ae\u4ef6\uff0c\u8bf7\u70b9\u51fb<a>\u8fd9\u91cc</a>",
        "<a>\u914d\u4fe1\u505c\u6b62\u3092\u3054\u5e0c\u671b\u306e\u65b9\u306f\u3053\u3061\u3089</a>",
        "<a>Unsubscribe from Acme Weekly</a>",
        "<a>Unsubscribe from comment reply notifications</a>",
        "<a>Se d\u00e9sabonner de la liste Acme</a>",
    ],
)
def test_the_sentence_around_a_link_tells_that_it_leaves_the_list(paragraph):
    assert leaving(paragraph) == [True]


@pytest.mark.parametrize(
    "paragraph",
    [
        "You can unsubscribe at any time. Read more <a>here</a>.",
        "You can unsubscribe at any time</td><td><a>Click here</a>",
        "Set your preferences in the new app <a>here</a>.",
        "See how to manage subscriptions of a whole team <a>here</a>.",
        "Descubre los precios de temporada baja <a>aqu\u00ed</a>.",
        "To unsubscribe reply to this mail. <a>Our spring offers</a>",
        "<a>How we cut unsubscribes by half</a>",
        "<a>Unsubscribe rates explained</a>",
        "<a>\u30b5\u30fc\u30d3\u30b9\u914d\u4fe1\u505c\u6b62\u306e\u304a\u77e5\u3089\u305b</a>",
    ],
)
def test_other_sentences_do_not(paragraph):
    assert leaving(paragraph) == [False]


@pytest.mark.parametrize(
    "link_without_text",
    [
        "<a href=https://t.example/r><img src=x alt='Unsubscribe'></a>",
        "<a href=https://t.example/r><img alt=Unsubscribe src=x></a>",
        '<a href="https://t.example/r" aria-label="Unsubscribe"><img src="x"></a>',
        '<map><area href="https://t.example/r" alt="Unsubscribe"></map>',
    ],
)
def test_what_is_read_aloud_tells_of_a_picture(link_without_text):
    assert assign(scan(link_without_text.encode()).links)[0].unsubscribe


def test_of_two_links_in_a_paragraph_each_has_its_own_sentence():
    assert leaving("To view this online, <a>click here</a>. To unsubscribe, <a>click here</a>.") == [
        False,
        True,
    ]
    assert leaving("<a>Click here</a> to unsubscribe or <a>here</a> to see it online.") == [True, False]


def test_a_link_to_the_mail_as_a_web_page_is_told_by_its_sentence():
    story = '<p><a href="https://x.example/news/harbour">What the harbour had</a></p>'
    html = f'<p>View it in your browser: <a href="https://t.example/v">click here</a></p>{story * 3}'
    assert assign(scan(html.encode()).links)[0].role is LinkRole.HEADER


def test_content_to_be_seen_online_is_no_mail_as_a_web_page():
    html = '<p>View online catalogues of 40 brands <a href="https://x.example/brands/all">here</a></p>'
    assert assign(scan(html.encode()).links)[0].role is LinkRole.BODY
