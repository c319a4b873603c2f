"""Which readers meet which policy: the shipped one, and each family's own without what it taught."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from bench.detection import drive, population, truth
from bench.detection.actors_machines import BY_NAME as MACHINES
from bench.detection.actors_people import BY_NAME as PEOPLE
from bench.detection.leave_out import overlay

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.detection.played import Asked, Played
    from bench.detection.population import Letter, Reader
    from bench.detection.truth import Units

EVERY = 250  # requests between two signs of life


class Trials:
    """Runs populations one after the other, each on a server and a store of its own."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._seed = folder, seed
        self.requests = 0
        self.messages = 0

    def play(
        self,
        letters: Sequence[Letter],
        title: str,
        policy: str = "",
        *,
        intervals: bool = False,
        store_url: str = "",
        nodes: int = 1,
    ) -> Played:
        """Return what became of some mails under a policy laid over the shipped one."""
        begin = time.monotonic()

        def progress(done: int, left: int) -> None:
            if done % EVERY == 0 and sys.stderr.isatty():
                line = f"{title}: {done:,} requests, {left:,} to come, {time.monotonic() - begin:.0f} s"
                print(f"\r{line:<70}", end="", file=sys.stderr, flush=True)

        folder = self._folder / f"trial-{len(list(self._folder.iterdir()))}"
        played = asyncio.run(
            drive.play(
                letters,
                folder,
                policy=policy,
                progress=progress,
                intervals=intervals,
                store_url=store_url,
                nodes=nodes,
            )
        )
        if sys.stderr.isatty():
            print(f"\r{'':<70}\r", end="", file=sys.stderr, flush=True)
        self.requests += len(played.asked)
        self.messages += len(played.scenes)
        return played

    def left_out(self, readers: Sequence[Reader]) -> list[Played]:
        """Return one run for each policy that never met some family, with that family's readers.

        A domain's scanner decides where its readers belong; readers whom nobody scans belong to
        their own family.
        """
        groups: dict[str, list[Reader]] = defaultdict(list)
        for reader in readers:
            groups[overlay(family_of(reader))].append(reader)
        return [
            self.play(population.letters(group, self._seed), f"left out {number} of {len(groups)}", policy)
            for number, (policy, group) in enumerate(groups.items(), 1)
        ]


def family_of(reader: Reader) -> str:
    """Return the family that a reader's messages are about."""
    scanner = reader.domain.scanner
    return MACHINES[scanner].family if scanner else PEOPLE[reader.person].family


def judged(runs: Sequence[Played]) -> Units:
    """Return the units of several runs, counted as the click log has them."""
    return truth.merge(truth.units(played, clicked) for played in runs)


def clicked(asked: Asked) -> bool:
    """Return whether the click log has a click that begins with this request."""
    return asked.clicked
