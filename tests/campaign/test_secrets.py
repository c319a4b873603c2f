"""Targets that carry a secret, such as reset links; what becomes of them is in test_compile.py."""

import pytest

from linkproxy.campaign.targets import holds_secret


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("https://x.example/r?token=9b2f6c1de84a7035", True),
        ("https://x.example/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0", True),
        ("https://x.example/r/550e8400-e29b-41d4-a716-446655440000", True),
        ("https://x.example/r/deadbeefdeadbeefdeadbeefdeadbee1", True),
        ("https://x.example/r?reset_token=MFRGGZDFMZTWQ2LK", True),
        ("https://x.example/r?next=/a&accessToken=qwmzkxjvhbpl", True),
        ("https://x.example/r?mode=resetPassword&oobCode=ABCdefGHIjkl", True),
        ("https://x.example/login?code=482913", True),
        ("https://x.example/?code=SPRING20", False),
        ("https://x.example/?zipcode=10115&token=", False),
        ("https://x.example/orders/00340434161094015902", False),
        ("https://x.example/spring-sale-2026-for-members", False),
        ("https://x.example/OurSpringCollectionForMembers", False),
        ("https://x.example/2026/05/17/the-news", False),
        ("https://x.example/", False),
    ],
)
def test_random_looking_parts_are_secrets_and_words_are_not(url, secret):
    assert holds_secret(url) is secret
