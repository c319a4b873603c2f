from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkproxy.campaign.tokens import Keyring, SigningKey
from linkproxy.model import LinkproxyError
from linkproxy.server.recipients import read_recipient, recipient_fault

KEYRING = Keyring([SigningKey(1, b"k" * 32)])


@given(st.text(string.ascii_letters + string.digits + "._~-@/ %{}", max_size=70))
def test_a_recipient_s_reference_is_one_that_a_link_can_carry(text: str) -> None:
    assert (recipient_fault(reference=text) is None) == (KEYRING.check_reference(text) is not None)


def test_what_has_an_at_sign_is_an_address_and_the_rest_a_reference() -> None:
    assert read_recipient(" anna@example.com ").address == "anna@example.com"
    assert read_recipient("K-4711").reference == "K-4711"


@pytest.mark.parametrize(
    "who", ["", " ", "@example.com", "anna@", "a b", "anna@exa mple.com", "x" * 65, "~hop", ".."]
)
def test_what_is_no_recipient_is_refused(who: str) -> None:
    with pytest.raises(LinkproxyError, match="recipient"):
        read_recipient(who)
