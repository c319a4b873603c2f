"""Claims about how names of hosts and mail domains are spelt."""

from __future__ import annotations

import pytest

from linkproxy.model.names import domain_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("company.example", "company.example"),
        (" @Company.Example. ", "company.example"),
        ("@Bücher.example", "xn--bcher-kva.example"),
        ("bücher.example.", "xn--bcher-kva.example"),
        ("proofpoint", "proofpoint"),
        ("198.18.0.0/16", "198.18.0.0/16"),
        (" @ ", ""),
    ],
)
def test_a_domain_is_found_however_its_name_is_written(text, name):
    assert domain_name(text) == name
