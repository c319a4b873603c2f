"""Compile and stamp mails, beside pytracking and beside copying the same bytes.

compile    a mail into segments, once per campaign: scan, decide about each link, draw keys
stamp      one recipient's mail: a token and a join
pytracking one recipient's mail: pytracking.html.adapt_html, links only, its default encoding
memcpy     the stamped mail's bytes once more: no rewriter can be faster
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping
from itertools import count
from statistics import median
from time import perf_counter_ns
from typing import Any

from bench import newsletters, report
from linkproxy.campaign.compile import compile_html, stamp
from linkproxy.campaign.tokens import Keyring, new_key
from linkproxy.model import Campaign, CampaignId, RecipientId

try:
    from pytracking.html import adapt_html
except ImportError:
    sys.exit("pytracking is not installed; get what benchmarks compare with: pip install 'linkproxy[bench]'")

CAMPAIGN = Campaign(CampaignId(7), "bench", base_url="https://click.brand.example")
BATCH_SECONDS = 0.02
QUICK_ROUNDS, ROUNDS = 60, 300

Act = Callable[[], object]


def rivals(mail: newsletters.Mail) -> dict[str, Act]:
    """Return what is measured, each a function without arguments that does its work once."""
    compiled = compile_html(mail.html, CAMPAIGN)
    sign = Keyring([new_key([])]).signer(CAMPAIGN.id)
    recipients = count(1)
    stamped = bytearray(stamp(compiled, sign(RecipientId(1))))
    text = mail.html.decode()

    def pytracking() -> str:
        rewritten: str = adapt_html(
            text,
            extra_metadata={"campaign": 7, "recipient": next(recipients)},
            open_tracking=False,
            base_click_tracking_url="https://click.brand.example/",
        )
        return rewritten

    assert stamped.count(b"https://click.brand.example/") == len(compiled.keys)
    assert pytracking().count("https://click.brand.example/") > 30
    return {
        "compile": lambda: compile_html(mail.html, CAMPAIGN),
        "stamp": lambda: stamp(compiled, sign(RecipientId(next(recipients)))),
        "pytracking": pytracking,
        "memcpy": lambda: bytes(stamped),
    }


def measure(acts: Mapping[str, Act], rounds: int) -> dict[str, list[float]]:
    """Return seconds per act, one figure a round; in each round every act has its turn."""
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
    start = perf_counter_ns()
    for _ in range(repeats):
        act()
    return (perf_counter_ns() - start) / repeats / 1e9


RATIOS = {
    "stamp, times pytracking": ("pytracking", "stamp"),
    "stamp, share of memcpy": ("memcpy", "stamp"),
    "compile, times pytracking": ("pytracking", "compile"),
}


def compare(mail: newsletters.Mail, rounds: int) -> dict[str, Any]:
    """Measure one mail, print its tables, and return its figures."""
    compiled = compile_html(mail.html, CAMPAIGN)
    seconds = measure(rivals(mail), rounds)
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
    options = report.options("rewriting", "Rewriting, beside pytracking and beside copying the same bytes.")
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    mails = (newsletters.demo(), newsletters.plain())
    results = {mail.name: compare(mail, rounds) for mail in mails}
    report.finish("rewriting", results, options.json)


if __name__ == "__main__":
    main()
