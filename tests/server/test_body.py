"""Reading a JSON object field by field."""

from __future__ import annotations

from linkproxy.server.body import Body


def test_of_a_long_value_that_is_wrong_the_begin_alone_is_written_out() -> None:
    unwritable = object()  # who wrote out all of the list would fail at it
    body = Body({"html": [*[1] * 30, unwritable], "seconds": "x" * 100}, ("html", "seconds"))
    body.text("html")
    body.number("seconds", most=9)
    assert body.faults == [
        f"html: {('[' + '1, ' * 30)[:60]} is not a string",
        f'seconds: "{"x" * 59} is not a number from 0 to 9',
    ]
