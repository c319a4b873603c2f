"""The bait in a real browser: seen, reached or clicked by nobody, also after a client's sanitising."""

import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from linkproxy.campaign.compile import compile_html, stamp
from linkproxy.model import BaitPlaces, BaitStyle, LinkKind

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

TOKEN = b"T" * 24
DOCS = Path(__file__).parents[2] / "docs" / "rewriting.md"

ATTRIBUTES = {
    "nothing": "",
    "style": "style",
    "class": "class",
    "hidden": "hidden",
    "aria-*": "aria-*",
    "tabindex": "tabindex",
    "all five": "style class hidden aria-* tabindex",
    "<rp>": "<rp>",
    "all five and <rp>": "style class hidden aria-* tabindex <rp>",
}

SANITISE = """names => {
    for (const element of document.querySelectorAll('*')) {
        for (const {name} of [...element.attributes]) {
            if (names.includes(name) || (names.includes('aria-*') && name.startsWith('aria-')))
                element.removeAttribute(name);
        }
    }
    if (names.includes('style')) document.querySelectorAll('style').forEach(e => e.remove());
    if (names.includes('<rp>')) document.querySelectorAll('rp').forEach(e => e.replaceWith(...e.childNodes));
}"""

CLICKABLE = """keys => {
    const isBait = e => e && e.closest('a[href]') && keys.some(key => e.closest('a').getAttribute('href').endsWith(key));
    const baits = [...document.querySelectorAll('a')].filter(isBait);
    let points = [];
    for (const bait of baits)
        for (const r of bait.getClientRects())
            for (const x of [r.left, (r.left + r.right) / 2, r.right - .01])
                for (const y of [r.top, (r.top + r.bottom) / 2, r.bottom - .01]) points.push([x, y]);
    let hit = 0;
    for (const [x, y] of points) {
        scrollTo(0, 0);
        scrollTo(x - 10, y - 10);
        if (isBait(document.elementFromPoint(x - scrollX, y - scrollY))) hit += 1;
    }
    scrollTo(0, 0);
    for (let x = 3; x < innerWidth; x += 17)
        for (let y = 3; y < innerHeight; y += 17) if (isBait(document.elementFromPoint(x, y))) hit += 1;
    return [baits.length, hit];
}"""


FOLLOW_FOCUS = """() => {
    window.focused = [];
    document.activeElement?.blur();
    addEventListener('focusin', event => window.focused.push(event.target.getAttribute('href') || ''));
    return document.querySelectorAll('a, area, input, button, [tabindex]').length;
}"""


class Reach(NamedTuple):
    """In how many ways people would meet the bait."""

    changed: bool  # the page's pixels
    tab_stops: int
    click_points: int
    accessible: int


def serve(page, html, charset):
    page.route("**/*", lambda route: route.abort())
    page.set_content(html.decode(charset, "replace"), wait_until="load")


def photograph(page, html, charset, names):
    serve(page, html, charset)
    if names:
        page.evaluate(SANITISE, names)
    return page.screenshot(full_page=True)


def tab_stops(page, keys):
    """Walk through the whole page by keyboard and count the stops at a bait."""
    focusable = page.evaluate(FOLLOW_FOCUS)
    for _ in range(focusable + 2):
        page.keyboard.press("Tab")
    return sum(href.endswith(keys) for href in page.evaluate("window.focused"))


def accessible(page, keys):
    """Count the bait anchors that assistive technology is told of."""
    session = page.context.new_cdp_session(page)
    found = 0
    for key in keys:
        node = session.send(
            "Runtime.evaluate", {"expression": f"document.querySelector('a[href$=\"{key}\"]')"}
        )
        about = {"objectId": node["result"]["objectId"], "fetchRelatives": False}
        nodes = session.send("Accessibility.getPartialAXTree", about)["nodes"]
        found += any(not node["ignored"] for node in nodes)
    session.detach()
    return found


def with_bait(mail, campaign, style):
    compiled = compile_html(mail.html, replace(campaign, bait_style=style), charset=mail.charset)
    keys = tuple(f"/{link.key}" for link in compiled.new_links if link.kind is LinkKind.BAIT)
    return stamp(compiled, TOKEN), keys


def meet(page, mail, html, keys, names, before):
    changed = photograph(page, html, mail.charset, names) != before
    present, clicks = page.evaluate(CLICKABLE, list(keys))
    assert present == len(keys) == 2, mail.name
    told = accessible(page, keys)  # before anything has the focus, which makes a difference to it
    return Reach(changed, tab_stops(page, keys), clicks, told)


# These change how a page looks also where there is no bait; the others do not.
LOOKS = {"style", "class", "hidden"}
# What the pixel does not have cannot be stripped from it.
ABSENT = {"class", "hidden", "<rp>", "all five and <rp>"}


def survey(page, mails, campaign):
    """Return what each style shows under each sanitising, over all the mails."""
    results = {}
    for mail in mails:
        baited = {style: with_bait(mail, campaign, style) for style in (BaitStyle.HIDDEN, BaitStyle.PIXEL)}
        befores = {}
        for label, stripped in ATTRIBUTES.items():
            names = stripped.split()
            looks = tuple(name for name in names if name in LOOKS)
            if looks not in befores:
                befores[looks] = photograph(page, mail.html, mail.charset, list(looks))
            for style, (html, keys) in baited.items():
                if style is BaitStyle.HIDDEN or label not in ABSENT:
                    reach = meet(page, mail, html, keys, names, befores[looks])
                    results.setdefault((style, label), []).append((mail.name, reach))
    return results


@pytest.fixture(scope="module")
def surveyed(chromium, fixture_mails, campaign):
    return chromium.run(survey, fixture_mails, campaign)


def table(results):
    """Write the survey as the table of docs/rewriting.md: mails affected, of how many."""
    lines = [
        "| style | stripped | page changed | tab stop | clickable | accessibility node |",
        "|---|---|---|---|---|---|",
    ]
    for (style, label), found in sorted(
        results.items(), key=lambda item: (item[0][0], list(ATTRIBUTES).index(item[0][1]))
    ):
        cells = [f"{sum(1 for _, reach in found if value(reach))}/{len(found)}" for value in (
            lambda r: r.changed, lambda r: r.tab_stops, lambda r: r.click_points, lambda r: r.accessible)]  # fmt: skip
        lines.append(f"| {style} | {label.replace('<rp>', '`<rp>`')} | {' | '.join(cells)} |")
    return "\n".join(lines)


def met(results, style, label):
    return [name for name, reach in results[style, label] if any(reach)]


@pytest.mark.parametrize("label", [label for label in ATTRIBUTES if "<rp>" not in label])
def test_nobody_meets_the_hidden_bait_whatever_a_client_strips(surveyed, label):
    assert len(surveyed[BaitStyle.HIDDEN, label]) >= 12
    assert met(surveyed, BaitStyle.HIDDEN, label) == []


def test_the_pixel_bait_shows_only_where_a_style_sheet_gives_every_anchor_a_box(surveyed):
    assert met(surveyed, BaitStyle.PIXEL, "nothing") == ["dark-mode"]


def test_the_pixel_bait_becomes_a_tab_stop_without_its_attributes(surveyed):
    found = surveyed[BaitStyle.PIXEL, "all five"]
    assert all(reach.tab_stops for _, reach in found)


def test_a_bait_bare_of_attributes_and_wrapper_still_shows_nothing_and_takes_no_click(surveyed):
    found = surveyed[BaitStyle.HIDDEN, "all five and <rp>"]
    assert [name for name, reach in found if reach.click_points or reach.changed] == []


def test_the_table_in_the_docs_is_what_the_browser_shows(surveyed):
    shown = table(surveyed)
    assert shown in DOCS.read_text(encoding="utf-8"), f"docs/rewriting.md should have:\n{shown}"


def test_the_default_style_is_the_one_that_survives(campaign):
    assert campaign.bait_style is BaitStyle.HIDDEN


# --- every mail --------------------------------------------------------------------------------


def test_every_mail_looks_the_same_before_and_after(chromium, all_mails, campaign):
    def compare(page):
        changed = []
        for mail in all_mails:
            html, keys = with_bait(mail, campaign, BaitStyle.HIDDEN)
            before = photograph(page, mail.html, mail.charset, ())
            if html != mail.html and photograph(page, html, mail.charset, ()) != before:
                changed.append(mail.name)
            present, clicks = page.evaluate(CLICKABLE, list(keys))
            if present != len(keys) or clicks or accessible(page, keys):
                changed.append((mail.name, present, clicks))
        return changed

    assert chromium.run(compare) == []


def test_four_anchors_are_met_by_nobody_either(chromium, fixture_mails, campaign):
    double = replace(campaign, bait_places=BaitPlaces.DOUBLE)

    def compare(page):
        met = []
        for mail in fixture_mails:
            before = photograph(page, mail.html, mail.charset, ())
            html, keys = with_bait(mail, double, BaitStyle.HIDDEN)
            changed = photograph(page, html, mail.charset, ()) != before
            present, clicks = page.evaluate(CLICKABLE, list(keys))
            told = accessible(page, keys)
            if changed or clicks or told or tab_stops(page, keys) or present not in {0, 4}:
                met.append((mail.name, changed, present, clicks, told))
        return met

    assert chromium.run(compare) == []


TREE = """([before, after, keys]) => {
    const own = 'https://click.brand.example/';
    const read = html => {
        const document = new DOMParser().parseFromString(html, 'text/html');
        for (const bait of document.querySelectorAll('rp > a'))
            if (keys.some(key => bait.getAttribute('href').endsWith(key))) bait.parentNode.remove();
        document.normalize();
        const hrefs = [];
        for (const link of document.querySelectorAll('a[href], area[href]')) {
            hrefs.push(link.getAttribute('href'));
            link.setAttribute('href', '');
        }
        const comments = document.createNodeIterator(document, NodeFilter.SHOW_COMMENT);
        for (let node; node = comments.nextNode();) node.data = node.data.replace(/href=("[^"]*"|'[^']*'|\\S+)/gi, 'href');
        return [document.documentElement.outerHTML, hrefs];
    };
    const [treeBefore, hrefsBefore] = read(before), [treeAfter, hrefsAfter] = read(after);
    return [treeBefore === treeAfter, hrefsBefore, hrefsAfter];
}"""


def test_the_tree_of_every_mail_is_the_same_but_for_hrefs_and_bait(chromium, all_mails, campaign):
    # A template is no HTML yet: a tag within a tag means something else before it is filled in.
    mails = [mail for mail in all_mails if mail.name != "handlebars"]

    def compare(page):
        different = []
        for mail in mails:
            html, keys = with_bait(mail, campaign, BaitStyle.HIDDEN)
            texts = [part.decode(mail.charset, "replace") for part in (mail.html, html)]
            same, before, after = page.evaluate(TREE, [*texts, list(keys)])
            tracked = [href for href in after if href.startswith("https://click.brand.example/")]
            kept = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
            if not same or len(kept) != len(tracked):
                different.append(mail.name)
            assert all(
                re.fullmatch(r"https://click\.brand\.example/T{24}/[0-9A-Za-z]{4}", href) for href in tracked
            )
        return different

    assert chromium.run(compare) == []
