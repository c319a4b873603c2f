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


def test_of_thousands_of_fields_that_are_none_the_first_are_told_by_how_they_begin() -> None:
    addresses = {f"anna{at}@example.com{'.' * 100}": 1 for at in range(2_000)}
    body = Body({"nmae": 1, **addresses}, ("name", "kind"))
    assert len(body.faults) == 21
    assert body.faults[0] == "nmae: there is no such field; did you mean name?"
    assert body.faults[1] == f"anna0@example.com{'.' * 43}: there is no such field; there are: name, kind"
    assert body.faults[-1] == "1,981 more fields: there are no such fields"
