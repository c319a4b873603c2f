import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from linkproxy.model import Campaign, CampaignId

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "mail"
NEWSLETTERS = ROOT / "tests" / "fixtures" / "newsletters"
SAMPLES = ROOT.parent / "shared" / "samples" / "mail" / "html"
CHARSETS = {
    "japanese-shift-jis.html": "shift_jis",
    "japanese-iso-2022-jp.html": "iso-2022-jp",
    "chinese-gb18030.html": "gb18030",
}


class Mail(NamedTuple):
    name: str
    html: bytes
    charset: str


def read(path: Path) -> Mail:
    return Mail(path.stem, path.read_bytes(), CHARSETS.get(path.name, "utf-8"))


@pytest.fixture(scope="session")
def fixture_mails() -> list[Mail]:
    """The mails that come with the tests, of many kinds."""
    return [read(path) for path in sorted(FIXTURES.glob("*.html"))]


@pytest.fixture(scope="session")
def sample_mails() -> list[Mail]:
    """Real mails beside the repository, none where there are none."""
    return [read(path) for path in sorted(SAMPLES.glob("*.html"))]


@pytest.fixture(scope="session")
def newsletters() -> list[Mail]:
    """The newsletters of the other tests and of the demo."""
    paths = [*NEWSLETTERS.glob("*.html"), ROOT / "linkproxy" / "demo" / "newsletter.html"]
    return [read(path) for path in sorted(paths)]


@pytest.fixture(scope="session")
def all_mails(fixture_mails, newsletters, sample_mails) -> list[Mail]:
    return [*fixture_mails, *newsletters, *sample_mails]


@pytest.fixture(scope="session")
def campaign() -> Campaign:
    return Campaign(CampaignId(1), "spring", base_url="https://click.brand.example")


class Chromium:
    """One browser for the session, in a thread of its own: its event loop is nobody else's."""

    def __init__(self, program: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._program = program
        self._thread.submit(self._start).result()

    def _start(self) -> None:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=self._program, args=["--no-sandbox"])

    def run(self, work, *args):
        """Call ``work(page, *args)`` with a fresh page."""

        def with_page():
            context = self._browser.new_context(viewport={"width": 700, "height": 600})
            try:
                return work(context.new_page(), *args)
            finally:
                context.close()

        return self._thread.submit(with_page).result()

    def close(self) -> None:
        self._thread.submit(lambda: (self._browser.close(), self._playwright.stop())).result()
        self._thread.shutdown()


@pytest.fixture(scope="session")
def chromium():
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine")
    browser = Chromium(program)
    yield browser
    browser.close()
