"""Memory while one mail is stamped for very many recipients: it must not grow with their number."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import report
from linkproxy.campaign.compile import stamp
from linkproxy.model import RecipientId

if TYPE_CHECKING:
    from collections.abc import Callable

    from linkproxy.campaign.compile import Compiled

STOPS = 10
"""At how many places on the way the process's memory is looked at."""


def measure(compiled: Compiled, sign: Callable[[RecipientId], bytes], recipients: int) -> dict[str, Any]:
    """Stamp so many mails to a sink, print resident memory on the way, and return it in MiB."""
    resident = [_resident_mib()]
    with Path(os.devnull).open("wb", buffering=0) as sink:
        for stop in range(STOPS):
            ids = range(stop * recipients // STOPS + 1, (stop + 1) * recipients // STOPS + 1)
            sink.writelines(stamp(compiled, sign(RecipientId(number))) for number in ids)
            resident.append(_resident_mib())
    report.table(
        f"resident memory while stamping {recipients:,} recipients to a sink",
        ("recipients", "MiB"),
        [(f"{stop * recipients // STOPS:,}", mib) for stop, mib in enumerate(resident)],
    )
    growth = max(resident[1:]) - resident[1]
    print(f"growth behind the first tenth: {growth:.2f} MiB")
    return {"recipients": recipients, "resident_mib": resident, "growth_mib": growth}


def _resident_mib() -> float:
    """Return what the process holds in memory: proc(5), statm, second field, in pages."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
