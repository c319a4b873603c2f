import pytest

from linkproxy.server.answers import Reply
from linkproxy.server.wire import Dated, wire


def test_a_reply_with_a_line_end_in_a_header_is_never_sent():
    for text in ("https://x/\r\nSet-Cookie: a=b", "https://x/\n", "https://x/\r"):
        with pytest.raises(ValueError, match="line end"):
            wire(Reply(302, (("Location", text),)), to_head=False)


def test_a_response_says_when_it_was_made_and_whether_the_connection_ends():
    kept = Dated().bytes_of(wire(Reply(200, (), b"hello"), to_head=False), close=False)
    closed = Dated().bytes_of(wire(Reply(200, (), b"hello"), to_head=False), close=True)
    assert b"\r\nDate: " in kept
    assert kept.endswith(b" GMT\r\n\r\nhello")
    assert closed.endswith(b" GMT\r\nConnection: close\r\n\r\nhello")


def test_to_head_the_length_is_said_and_the_body_is_not_sent():
    response = wire(Reply(200, (("Content-Type", "text/plain"),), b"hello"), to_head=True)
    assert b"Content-Length: 5\r\n" in response.before
    assert response.body == b""
