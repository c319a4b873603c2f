"""The costs that docs/scale.md reckons with come out of a command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_step_of_a_visit_and_each_row_of_a_message_is_measured(tmp_path):
    file = tmp_path / "figures.json"
    command = [
        sys.executable,
        "-m",
        "bench.settling",
        "--messages",
        "60",
        "--visits",
        "3",
        "--json",
        str(file),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(file.read_text())["results"]
    found = results["SQLite"]
    for step in ("taken in, judged, durable", "settled"):
        assert found[step]["cpu_us"] > 0
        assert found[step]["disk_bytes"] > 200, step
    for row in ("a recipient", "a delivery of one message", "a message link"):
        assert found[row]["cpu_us"] > 0
    assert results["tables"].get("visit", 1_000) > 400  # not every SQLite counts pages
    assert all(waited > 0 for waits in found["waits_ms"].values() for waited in waits)
    assert "while messages settle" in done.stdout
