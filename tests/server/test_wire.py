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


def test_a_response_says_the_second_that_it_is_sent_in_though_the_clock_goes_back(monkeypatch):
    dated, found = Dated(), wire(Reply(204, ()), to_head=False)
    for now, told in ((999.99, "00:16:39"), (1000.0, "00:16:40"), (1000.99, "00:16:40"), (998.5, "00:16:38")):
        monkeypatch.setattr("time.time", lambda now=now: now)
        assert f"Date: Thu, 01 Jan 1970 {told} GMT\r\n".encode() in dated.bytes_of(found, close=False)


def test_to_head_the_length_is_said_and_the_body_is_not_sent():
    response = wire(Reply(200, (("Content-Type", "text/plain"),), b"hello"), to_head=True)
    assert b"Content-Length: 5\r\n" in response.before
    assert response.body == b""
