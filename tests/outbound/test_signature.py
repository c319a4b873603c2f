from __future__ import annotations

import base64

from linkproxy.outbound.signature import new_message_id, new_secret, signature_header


def test_a_signature_is_that_of_the_specification() -> None:
    """The example that the libraries of Standard Webhooks are tested with."""
    secret, message_id = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    made = signature_header([secret], message_id, 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    twice = signature_header([new_secret(), secret], message_id, 1614265330, b'{"test": 2432232314}')
    assert twice.split(" ")[1] == made


def test_a_secret_is_as_long_as_the_specification_asks_and_no_two_are_alike() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert first.startswith("whsec_")
    assert 24 <= len(base64.b64decode(first.removeprefix("whsec_"), validate=True)) <= 64


def test_an_id_cannot_end_what_is_signed_early() -> None:
    assert "." not in new_message_id()
    assert new_message_id() != new_message_id()
