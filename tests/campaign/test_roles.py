import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from linkproxy.campaign.html import FoundLink, scan
from linkproxy.campaign.roles import assign
from linkproxy.campaign.social_hosts import social_hosts
from linkproxy.model import LOW_INTEREST_ROLES, LinkRole

NEWSLETTERS = sorted((Path(__file__).parents[1] / "fixtures" / "newsletters").glob("*.html"))
LABEL = re.compile(rb'data-expected-role="([a-z]+)"')


def link(value="https://e.example/a/b", text="", *, position=0, **attributes):
    names = {name.replace("_", "-"): value for name, value in attributes.items()}
    return FoundLink(0, 0, value, value.encode(), '"', "a", text, names, position)


def told(found, *, before=9, after=9):
    """What a link is told to be amid links to content, so that its place says nothing."""
    links = [
        link(f"https://e.example/articles/{n}", f"The long story of number {n}")
        for n in range(before + after)
    ]
    links.insert(before, found)
    return assign([item._replace(position=place) for place, item in enumerate(links)])[before]


def labelled(path):
    """Every link of a newsletter with the role that its author gave it and the one it gets."""
    html = path.read_bytes()
    found_links = scan(html)
    links = found_links.links
    for found, assigned in zip(links, assign(links, found_links.words_before), strict=True):
        tag = html[html.rindex(b"<", 0, found.start) : html.index(b">", found.end)]
        yield found, LinkRole(LABEL.search(tag)[1].decode()), assigned


def table(confusion):
    rows = [f"{'expected':>10} | " + " ".join(f"{role:>7}" for role in LinkRole)]
    for expected in LinkRole:
        counts = " ".join(f"{confusion[expected, given]:>7}" for given in LinkRole)
        rows.append(f"{expected:>10} | {counts}")
    return "\n".join(rows)


# --- the labelled newsletters ------------------------------------------------------------------


@pytest.mark.parametrize("path", NEWSLETTERS, ids=lambda path: path.stem)
def test_a_link_is_told_alike_whether_or_not_its_url_was_read_before(path):
    links = scan(path.read_bytes()).links
    assert any(found.usual for found in links)
    assert assign(links) == assign([found._replace(usual=None) for found in links])


def test_roles_of_the_labelled_newsletters_are_right_but_for_a_few(capsys):
    confusion = Counter(
        (expected, assigned.role) for path in NEWSLETTERS for _, expected, assigned in labelled(path)
    )
    total = sum(confusion.values())
    right = sum(count for (expected, given), count in confusion.items() if expected is given)
    body = sum(count for (expected, _), count in confusion.items() if expected is LinkRole.BODY)
    wronged = sum(confusion[LinkRole.BODY, given] for given in LOW_INTEREST_ROLES)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{table(confusion)}\n{len(NEWSLETTERS)} newsletters: {right} of {total} links right, "
            f"{wronged} of {body} content links taken for ones that nobody reads\n"
        )
    assert total >= 200
    assert right / total >= 0.9
    assert wronged / body <= 0.02


def test_most_links_that_nobody_reads_are_known_as_such():
    frame = [
        assigned.role in LOW_INTEREST_ROLES
        for path in NEWSLETTERS
        for _, expected, assigned in labelled(path)
        if expected in LOW_INTEREST_ROLES
    ]
    assert sum(frame) / len(frame) >= 0.85


def test_every_link_of_a_newsletter_is_labelled():
    assert len(NEWSLETTERS) >= 8
    for path in NEWSLETTERS:
        assert len(scan(path.read_bytes()).links) == len(LABEL.findall(path.read_bytes())), path.name


def test_links_that_leave_the_list_are_found_in_every_newsletter_that_has_one():
    leaving = {
        path.stem: [found.text for found, _, assigned in labelled(path) if assigned.unsubscribe]
        for path in NEWSLETTERS
    }
    assert leaving == {
        "da-bibliotek": ["Afmeld nyhedsbrevet her"],
        "de-shop": ["Hier vom Newsletter abmelden"],
        "en-developer-digest": ["Unsubscribe", "Change your email address"],
        "en-password-reset": [],
        "en-saas-update": ["Manage preferences", "Unsubscribe"],
        "es-viajes": ["date de baja aquí"],
        "fr-presse": ["Gérer mes préférences", "Se désabonner"],
        "it-moda-immagini": ["Modifica profilo", "clicca qui per cancellarti"],
        "ja-onsen": ["配信停止はこちら", "登録情報の変更"],
        "nl-vereniging": ["Schrijf je uit", "wijzig je voorkeuren"],
        "pl-ogrod": ["wypisz się z newslettera"],
        "pt-pedido": ["Preferências de e-mail"],
        "sv-webbinarium": ["Avregistrera dig från nyhetsbrevet"],
    }


# --- each rule ---------------------------------------------------------------------------------


def test_a_role_in_the_markup_wins_over_everything():
    profile = link("https://www.linkedin.com/company/x", "LinkedIn", data_linkproxy_role=" Body ")
    assert told(profile).role is LinkRole.BODY
    assert assign([profile])[0].role is LinkRole.BODY


def test_an_unknown_role_in_the_markup_is_ignored():
    assert told(link(text="Privacy policy", data_linkproxy_role="banner")).role is LinkRole.LEGAL


@pytest.mark.parametrize(
    "url",
    [
        "https://www.facebook.com/example",
        "https://de-de.facebook.com/example/",
        "https://m.facebook.com/pages/Example/123456",
        "https://www.facebook.com/sharer/sharer.php?u=x",
        "https://www.linkedin.com/company/example/",
        "https://www.linkedin.com/in/example",
        "https://x.com/example?lang=en",
        "https://twitter.com/intent/tweet?text=x",
        "https://www.youtube.com/@example",
        "https://www.youtube.com/channel/UC0123",
        "https://www.instagram.com/example/",
        "https://www.pinterest.de/example/",
        "https://bsky.app/profile/example.com",
        "https://mastodon.social/@example",
        "http://WWW.TikTok.com/@Example",
    ],
)
def test_profiles_and_share_buttons_are_social(url):
    assert told(link(url, "Follow us")).role is LinkRole.SOCIAL


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com/watch?v=q0aBc1dEfGh",
        "https://www.linkedin.com/events/7129900000000/",
        "https://www.linkedin.com/posts/example_activity-712",
        "https://x.com/example/status/1712345678901234567",
        "https://www.instagram.com/p/Cabc/",
        "https://www.facebook.com/events/123456/",
        "https://www.facebook.com/watch/?v=1",
        "https://www.reddit.com/r/example/comments/1/title/",
        "https://vimeo.com/123456789",
        "https://notfacebook.com/example",
        "https://facebook.com.example/example",
    ],
)
def test_posts_videos_and_events_are_content(url):
    assert told(link(url, "Watch the talk")).role is LinkRole.BODY


@pytest.mark.parametrize(
    "text",
    [
        "Privacy policy",
        "Read our Privacy Policy",
        "Terms & Conditions",
        "Terms of Service and Privacy Policy",
        "Impressum",
        "Datenschutzerklärung",
        "AGB",
        "Mentions légales",
        "POLITIQUE DE CONFIDENTIALITÉ",
        "Aviso legal",
        "Informativa sulla privacy",
        "Algemene voorwaarden",
        "Política de privacidade",
        "Polityka prywatności",
        "Integritetspolicy",
        "Handelsbetingelser",
        "Personvern",
        "Tietosuojaseloste",
        "プライバシーポリシー",
    ],
)
def test_legal_words_make_a_legal_link(text):
    assert told(link(text=text)).role is LinkRole.LEGAL


def test_a_named_legal_page_is_legal_and_an_article_that_leads_there_is_not():
    assert told(link("https://e.example/legal/privacy", "Example Privacy Centre")).role is LinkRole.LEGAL
    assert told(link("https://e.example/legal/privacy", "Read more")).role is LinkRole.BODY
    assert told(link("https://e.example/blog/x", "Privacy by design, explained")).role is LinkRole.BODY


LEAVING = [
    "Unsubscribe",
    "unsubscribe here",
    "Click here to unsubscribe from this list",
    "Unsubscribe jane@example.com from this list",
    "Manage email preferences",
    "Update subscription preferences",
    "Abmelden",
    "Newsletter abbestellen",
    "Hier klicken: abmelden",
    "Se désabonner",
    "Se désinscrire de la lettre",
    "Darse de baja",
    "Cancelar suscripción",
    "Disiscriviti",
    "Cancella iscrizione",
    "Uitschrijven",
    "Meld je af voor deze nieuwsbrief",
    "Cancelar inscrição",
    "Wypisz się",
    "Avregistrera dig",
    "Afmeld nyhedsbrev",
    "Meld deg av",
    "Peruuta tilaus",
    "配信停止はこちら",
    "Unsubscribe me",
    "Отписаться от рассылки",
    "Отписаться от Acme Weekly",
    "Désinscription de Acme Hebdo",
    "Відписатися",
    "Abonelikten \u00e7\u0131k",
    "Κατάργηση εγγραφής",
    "수신 거부",
    "取消訂閱",
    "להסרה",
    "إلغاء الاشتراك",
    "Hủy đăng ký",
    "Berhenti berlangganan",
]


@pytest.mark.parametrize("text", LEAVING)
def test_leaving_words_in_many_languages_are_an_unsubscribe_link_of_the_footer(text):
    assert told(link(text=text)).unsubscribe
    assert told(link(text=text)).role is LinkRole.FOOTER


@pytest.mark.parametrize(
    "found",
    [
        link("https://e.example/unsubscribe?id=1", "here"),
        link("https://e.example/mail/unsubscribe.php?id=1", "click"),
        link("https://e.example/list?action=unsubscribe&id=1", "here"),
        link("https://e.example/unsubscribe/abc123/def456", "here"),
        link("https://e.example/unsubscribe/7/1f9c", "here"),
        link("https://e.example/unsubscribe/dgTQ1QMAAA==", "here"),
        link("https://e.example/unsubscribe/8f14e45f-ceea-4672-a1b2-c3d4e5f6071a", "here"),
        link("https://unsubscribe.mailer.example/e5uqd", "here"),
        link("https://click.e.example/unsub_center.aspx?qs=1", "here"),
        link("https://go.e.example/u/Page.html?mkt_unsubscribe=1", "here"),
        link("https://e.example/preferences", "Manage"),
        link("https://e.example/preferences", ""),
        link("https://e.example/do?p=un", "SafeUnsubscribe\u2122"),
        link("https://e.example/abmelden/550e8400-e29b-41d4-a716-446655440000/", "hier"),
        link("https://e.example/optout/1", "here"),
        link("{{ unsubscribe_url }}", "here"),
        link("*|UNSUB|*", "here"),
        link("[unsubscribe]", "here"),
        link("http://$UNSUB$", "here"),
        link("<%asm_group_unsubscribe_raw_url%>", "here"),
        link("https://e.example/x", "here", **{"class": "footer-unsubscribe"}),
        link("https://e.example/x", "Goodbye", data_linkproxy="unsubscribe"),
    ],
    ids=lambda found: found.value,
)
def test_targets_and_attributes_tell_an_unsubscribe_link(found):
    assert told(found).unsubscribe


@pytest.mark.parametrize(
    "found",
    [
        link("https://e.example/blog/reduce-unsubscribe-rates", "How to reduce unsubscribe rates"),
        link("https://e.example/unsubscribe/why-people-leave", "Why people leave"),
        link("https://e.example/x", "Read more", data_linkproxy="off"),
        link("https://e.example/pricing", "Pricing"),
        link("https://viajes.example/destinos/baja", "Los viajes"),
        link("https://preferences.shop.example/", "Your taste"),
        link("https://shop.example/voorkeuren", "Kies je voorkeuren voor het menu"),
        link("https://shop.example/search?q=preferences&utm_content=unsubscribe", "Results"),
        link("https://e.example/contact", "Contact us"),
        link("", ""),
        link("mailto:team@e.example", "team@e.example"),
    ],
    ids=lambda found: found.value,
)
def test_content_about_leaving_is_no_unsubscribe_link(found):
    assert not told(found).unsubscribe


def test_the_mail_as_a_web_page_is_header_above_and_footer_below():
    found = link(text="View in browser")
    assert told(found, before=0).role is LinkRole.HEADER
    assert told(found, after=0).role is LinkRole.FOOTER


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "found",
    [
        link("{" * 100_000, "unsub"),
        link("https://e.example/" + "a/" * 50_000, "x"),
        link("https://" + "a." * 500_000 + "example/", "x"),
        link(text="a" * 100_000 + "@"),
        link("https://e.example/?" + "&" * 100_000, "privacy " * 10_000),
    ],
    ids=["tags", "segments", "labels", "address", "parameters"],
)
def test_hostile_links_get_a_role(found):
    assert told(found).role in LinkRole


def test_every_social_pattern_compiles_and_takes_the_networks_front_page():
    assert all(pattern.fullmatch("") for pattern in social_hosts().paths.values())
