"""Compile and stamp mails, beside what else rewrites links and beside copying the same bytes.

Of HTML, and of whole messages whose HTML part is in 8bit, quoted-printable or base64:

compile        a mail into segments, once per campaign: scan, decide about each link, draw keys
stamp          one recipient's mail: a token and a join
pytracking     one recipient's mail: pytracking.html.adapt_html, links only, its default encoding;
               of a message: Python's email package around it
lxml, bs4      one recipient's HTML: parse it, set each href, write it (bs4 with html.parser)
memcpy         the stamped mail's bytes once more: no rewriter can be faster

Time is CPU time, so that what else runs beside it counts little. Compiling is set beside what rivals
do for one recipient, on the same bytes: both read the mail and replace the links that people follow.
It also tells each link's role, draws its key, and finds places for the bait; signing is left to the
stamp. The rivals' tracking pixel is off.

At the end the newsletter is stamped for very many recipients, and memory looked at on the way.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from statistics import median
from time import process_time_ns
from typing import Any

from bench import newsletters, report, stamping_memory
from linkproxy.campaign.compile import Compiled, compile_html, stamp
from linkproxy.campaign.message import compile_message
from linkproxy.campaign.tokens import Keyring, new_key
from linkproxy.model import Campaign, CampaignId, RecipientId

try:
    from bench import rivals
except ImportError as error:
    sys.exit(f"{error}; get what benchmarks compare with: pip install 'linkproxy[bench]'")

CAMPAIGN = Campaign(CampaignId(7), "bench", base_url="https://click.brand.example")
BATCH_SECONDS = 0.02
QUICK_ROUNDS, ROUNDS = 25, 150
QUICK_RECIPIENTS, RECIPIENTS = 100_000, 1_000_000

Act = Callable[[], object]


def acts_of(mail: newsletters.Mail) -> dict[str, Act]:
    """Return what is measured, each a function without arguments that does its work once."""
    sign = Keyring([new_key([])]).signer(CAMPAIGN.id)
    recipients = count(1)

    def stamped(compiled: Compiled) -> bytes:
        return stamp(compiled, sign(RecipientId(next(recipients))))

    html = compile_html(mail.html, CAMPAIGN)
    acts: dict[str, Act] = {
        "compile html": lambda: compile_html(mail.html, CAMPAIGN),
        "stamp html": partial(stamped, html),
        "memcpy html": partial(bytes, bytearray(stamped(html))),
        "pytracking html": lambda: rivals.pytracking(mail.html, next(recipients)),
        "lxml html": lambda: rivals.lxml(mail.html, next(recipients)),
        "bs4 html": lambda: rivals.bs4(mail.html, next(recipients)),
    }
    for encoding in newsletters.ENCODINGS:
        raw = newsletters.message(mail, encoding)
        compiled = compile_message(raw, CAMPAIGN)
        assert len(compiled.keys) == len(html.keys) + 1
        acts |= {
            f"compile {encoding}": partial(compile_message, raw, CAMPAIGN),
            f"stamp {encoding}": partial(stamped, compiled),
            f"memcpy {encoding}": partial(bytes, bytearray(stamped(compiled))),
            f"pytracking {encoding}": partial(_of_message, raw, encoding, recipients),
        }
    return acts


def _of_message(raw: bytes, encoding: str, recipients: count[int]) -> bytes:
    return rivals.pytracking_message(raw, encoding, next(recipients))


def measure(acts: Mapping[str, Act], rounds: int) -> dict[str, list[float]]:
    """Return CPU seconds per act, one figure a round; in each round every act has its turn."""
    repeats = {name: _repeats(act) for name, act in acts.items()}
    seconds: dict[str, list[float]] = {name: [] for name in acts}
    gc.disable()
    try:
        for _ in range(rounds):
            for name, act in acts.items():
                seconds[name].append(_time(act, repeats[name]))
            gc.collect()
    finally:
        gc.enable()
    return seconds


def _repeats(act: Act) -> int:
    """Return how often to do it in one turn, after warming up."""
    repeats = 1
    while (once := _time(act, repeats)) * repeats < BATCH_SECONDS / 4:
        repeats *= 2
    return max(1, round(BATCH_SECONDS / once))


def _time(act: Act, repeats: int) -> float:
    start = process_time_ns()
    for _ in range(repeats):
        act()
    return (process_time_ns() - start) / repeats / 1e9


FORMS = ("html", *newsletters.ENCODINGS)
RATIOS = {
    "stamp html, times lxml": ("lxml html", "stamp html"),
    "stamp html, times bs4": ("bs4 html", "stamp html"),
} | {
    title.format(form): (slow.format(form), fast.format(form))
    for form in FORMS
    for title, slow, fast in (
        ("stamp {}, times pytracking", "pytracking {}", "stamp {}"),
        ("stamp {}, share of memcpy", "memcpy {}", "stamp {}"),
        ("stamp {}, share of stamp html", "stamp html", "stamp {}"),
        ("compile {}, times pytracking", "pytracking {}", "compile {}"),
    )
    if not (form == "html" and title.endswith("stamp html"))
}


def compare(mail: newsletters.Mail, rounds: int) -> dict[str, Any]:
    """Measure one mail, print its tables, and return its figures."""
    compiled = compile_html(mail.html, CAMPAIGN)
    seconds = measure(acts_of(mail), rounds)
    ratios = {
        name: report.paired_ratio(seconds[slow], seconds[fast]) for name, (slow, fast) in RATIOS.items()
    }
    title = f"{mail.name}: {len(mail.html):,} bytes, {len(compiled.keys)} tracked URLs, {rounds} rounds"
    report.table(
        title,
        ("", "us, median", "per second", "spread"),
        [
            (name, median(values) * 1e6, 1 / median(values), f"{report.spread(values):.0%}")
            for name, values in seconds.items()
        ],
    )
    report.table("ratios of the same rounds, median", ("", "ratio"), list(ratios.items()))
    return {
        "bytes": len(mail.html),
        "tracked_urls": len(compiled.keys),
        "median_seconds": {name: median(values) for name, values in seconds.items()},
        "ratios": ratios,
    }


def main() -> None:
    """Measure each mail."""
    options = report.options(
        "rewriting", "Rewriting, beside other rewriters and beside copying the same bytes."
    )
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    mails = (newsletters.demo(), newsletters.plain())
    results = {mail.name: compare(mail, rounds) for mail in mails}
    results["memory"] = stamping_memory.measure(
        compile_html(mails[0].html, CAMPAIGN),
        Keyring([new_key([])]).signer(CAMPAIGN.id),
        QUICK_RECIPIENTS if options.quick else RECIPIENTS,
    )
    report.finish("rewriting", results, options.json)


if __name__ == "__main__":
    main()
