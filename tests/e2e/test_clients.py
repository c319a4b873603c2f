"""Real clients against a real server: the click log lists the person's click and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.clients

CHROMIUM = shutil.which("chromium")
PERSON, LATE = "ann@customer.example", "-10m"
MACHINES = {
    "curl": "c1@customer.example",
    "curl -I": "c2@customer.example",
    "wget": "c3@customer.example",
    "requests": "c4@customer.example",
    "linkchecker": "c5@customer.example",
}


class Site:
    """The site that the mail's links lead to; it remembers what was asked of it."""

    def __init__(self) -> None:
        seen = self.seen = []
        pages = self.pages = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(pages.get(self.path, f"<title>{self.path}</title>".encode()))

            do_HEAD = do_GET  # noqa: N815  (the name that http.server looks for)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def mails(installation, site, tmp_path: Path) -> dict[str, Path]:
    """One newsletter, rewritten for everyone, delivered ten minutes ago to the person, to the others now."""
    installation.start()
    links = "".join(f'<p><a href="{site.url}/article/{n}">Article {n}</a></p>\n' for n in range(8))
    (tmp_path / "mail.html").write_text(f"<html><body><h1>News</h1>\n{links}</body></html>")
    (tmp_path / "who.csv").write_text("\n".join(["address", PERSON, *MACHINES.values()]) + "\n")
    installation.run("campaign", "add", "news", "--base-url", installation.public)
    installation.run(
        "rewrite", str(tmp_path / "mail.html"), "--campaign", "news",
        "--recipients", str(tmp_path / "who.csv"), "--out", str(tmp_path / "out"),
    )  # fmt: skip
    installation.run("deliveries", "add", "news", "--recipient", PERSON, "--at", LATE, "--source", "mx")
    for who in MACHINES.values():
        installation.run("deliveries", "add", "news", "--recipient", who, "--at", "-30s", "--source", "mx")
    return {path.stem.partition("@")[0]: path for path in (tmp_path / "out").rglob("*.html")}


def first_link(path: Path) -> str:
    return next(
        part.split('"')[0] for part in path.read_text().split('href="')[1:] if ">Article" in part[:80]
    )


def browse(path: Path) -> tuple[str, list[int]]:
    """Click the third article as a person does; return where that ended, and the statuses on the way."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        agent = browser.new_page().evaluate("navigator.userAgent").replace("Headless", "")
        # The brand list of a headless browser names it as well; a person's browser does not.
        major = agent.split("Chrome/")[1].split(".")[0]
        context = browser.new_context(
            user_agent=agent,
            locale="en-GB",
            extra_http_headers={"sec-ch-ua": f'"Chromium";v="{major}", "Not;A=Brand";v="8"'},
        )
        page = context.new_page()
        statuses: list[int] = []
        page.on(
            "response",
            lambda response: statuses.append(response.status) if response.url.startswith("http") else None,
        )
        page.goto(path.as_uri())
        page.get_by_text("Article 2").click()
        page.wait_for_url("**/article/**")
        found = page.url, [status for status in statuses if status != 404]
        browser.close()
    return found


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine; make test installs it as root")
def test_the_click_log_lists_the_persons_click_and_nothing_else(installation, mails, site):
    arrived, statuses = browse(mails["ann"])
    assert arrived == f"{site.url}/article/2"
    assert statuses[:2] == [302, 200], "the person met an extra page or hop"

    subprocess.run(["curl", "-s", "-o", "/dev/null", first_link(mails["c1"])], check=True)
    subprocess.run(["curl", "-s", "-I", "-o", "/dev/null", first_link(mails["c2"])], check=True)
    subprocess.run(["wget", "-q", "--spider", first_link(mails["c3"])], check=True)
    requests.get(first_link(mails["c4"]), timeout=10)
    # Over HTTP: as root, linkchecker becomes nobody, who may not read the mail's file.
    site.pages["/view"] = mails["c5"].read_bytes()
    subprocess.run(
        [str(Path(sys.executable).with_name("linkchecker")), "--check-extern",
            "--no-robots", "--no-status", "--no-warnings", f"{site.url}/view"],
        check=False, capture_output=True, timeout=60,
    )  # fmt: skip

    journal = installation.until_settled("news")
    clicks = installation.rows("clicks", "--campaign", "news")
    person = [row for row in journal if row["recipient"] == PERSON]
    assert [(row["recipient"], row["target"]) for row in clicks] == [(PERSON, f"{site.url}/article/2")], (
        person
    )

    by_recipient = {
        who: [row for row in journal if row["recipient"] == who] for who in (PERSON, *MACHINES.values())
    }
    assert all(by_recipient.values()), "a client's visit is missing from the journal"
    assert all(row["reasons"] for row in journal)
    assert {row["verdict"] for who in MACHINES.values() for row in by_recipient[who]} == {"machine"}
    assert len(by_recipient[MACHINES["linkchecker"]]) >= 8


def test_people_reach_their_target_after_the_server_was_restarted(installation, mails, site):
    link = first_link(mails["ann"])
    assert installation.stop() == 0
    installation.settings["LINKPROXY__SERVER__PUBLIC_PORT"] = installation.public.rpartition(":")[2]
    installation.start()
    answer = requests.get(
        link, timeout=10, headers={"User-Agent": "Lynx/2.9.0", "Accept": "text/html", "Accept-Language": "en"}
    )
    assert (answer.url, answer.history[0].status_code) == (f"{site.url}/article/0", 302)
