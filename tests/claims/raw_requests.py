"""Requests as they are on the wire: ordinary, odd, smuggled and pipelined.

A case is a list of parts, sent one after the other; `{path}` and the like stand for tracked links.
"""

from __future__ import annotations

FIREFOX = (
    "Host: click.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0\r\n"
    "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.9\r\n"
    "Accept-Encoding: gzip, deflate\r\nUpgrade-Insecure-Requests: 1\r\n"
)
CLOSE = "Connection: close\r\n"
END = b"GET /robots.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
"""Sent last where a case leaves the connection open, so that every case ends with the connection."""


def get(
    path: str = "{path}", headers: str = FIREFOX + CLOSE, method: str = "GET", version: str = "1.1"
) -> str:
    return f"{method} {path} HTTP/{version}\r\n{headers}\r\n"


ORDINARY = {
    "a click": [get()],
    "a click on a connection that is kept": [get(headers=FIREFOX), END],
    "two clicks one after the other": [get(headers=FIREFOX), get("{second}")],
    "HEAD": [get(method="HEAD")],
    "HEAD of a page": [get("{bait}", method="HEAD")],
    "a library": [get(headers="Host: x\r\nUser-Agent: python-requests/2.32.3\r\n" + CLOSE)],
    "no agent at all": [get(headers="Host: x\r\n" + CLOSE)],
    "a query that others appended": [get("{path}?utm_source=mail&fbclid=1")],
    "the nonce of nobody": [get("{path}/~AAAAAAAAAAAAAAAAAAA")],
    "an empty nonce": [get("{path}/~")],
    "the cookie of a hop": [get(headers=FIREFOX + "Cookie: a=b; hop=1\r\n" + CLOSE)],
    "a plain reference": [get("{reference}/customer-17")],
    "a bait": [get("{bait}")],
    "the unsubscribe page": [get("{unsubscribe}")],
    "a browser that speculates": [get(headers=FIREFOX + "Sec-Purpose: prefetch\r\n" + CLOSE)],
    "an Office program": [
        get(headers="Host: x\r\nUser-Agent: Mozilla/4.0 (compatible; ms-office)\r\n" + CLOSE)
    ],
    "a message link": [get("{own}")],
    "an unknown key": [get("{token}/Zzzz")],
    "names in other letters": [get(headers="HOST: x\r\naccept: */*\r\nUSER-AGENT: curl/8.5.0\r\n" + CLOSE)],
    "spaces around values": [get(headers="Host:x\r\nAccept:   */*  \r\nUser-Agent: curl/8.5.0 \r\n" + CLOSE)],
    "the same header twice": [get(headers="Host: x\r\nAccept: a\r\nAccept: b\r\n" + CLOSE)],
    "a header without a value": [get(headers="Host: x\r\nAccept:\r\nX-Empty: \r\n" + CLOSE)],
    "whom a stranger claims to stand for": [
        get(headers=FIREFOX + "X-Forwarded-For: 203.0.113.9\r\n" + CLOSE)
    ],
    "keep-alive asked for": [get(headers=FIREFOX + "Connection: Keep-Alive\r\n"), END],
}
"""What is answered without aiohttp, where that is possible at all."""

ODD = {
    "a reference of another form": [get("{path}/customer-17")],
    "HTTP/1.0": [get(version="1.0", headers=FIREFOX)],
    "HTTP/1.0 kept alive": [get(version="1.0", headers=FIREFOX + "Connection: keep-alive\r\n"), END],
    "HTTP/1.2": [get(version="1.2")],
    "HTTP/2 by foresight": ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    "the absolute form": [get("http://click.example{path}")],
    "an encoded tilde": [get("{path}/%7EAAAAAAAAAAAAAAAAAAA")],
    "an unfilled tag": [get("{reference}/*%7CUNIQID%7C*")],
    "a tag that stood for nothing": [get("{reference}/")],
    "a reference at the end of a sentence": [get("{reference}/customer-17),")],
    "a fragment": [get("{path}#top")],
    "a stray byte in the query": [get("{path}?a=%00&b='")],
    "a forged token": [get("{forged}")],
    "a cut token": [get("{token}")],
    "nobody's path": [get("/wp-login.php")],
    "health": [get("/healthz")],
    "another method": [get(method="PROPFIND")],
    "OPTIONS": [get(method="OPTIONS")],
    "a lower-case method": [get(method="get")],
    "POST": [get(method="POST", headers=FIREFOX + "Content-Length: 3\r\n" + CLOSE) + "a=b"],
    "GET with a body": [get(headers=FIREFOX + "Content-Length: 3\r\n" + CLOSE) + "a=b"],
    "GET that says it has no body": [get(headers=FIREFOX + "Content-Length: 0\r\n" + CLOSE)],
    "no Host": [get(headers="Accept: */*\r\n" + CLOSE)],
    "two Hosts": [get(headers="Host: a\r\nHost: b\r\n" + CLOSE)],
    "a tab in a value": [get(headers="Host: x\r\nAccept:\t*/*\t\r\n" + CLOSE)],
    "bytes beyond ASCII": [get().encode().replace(b"en-GB", b"caf\xe9")],
    "a folded line": [get(headers="Host: x\r\nAccept: a,\r\n b\r\n" + CLOSE)],
    "two Connection headers": [get(headers=FIREFOX + "Connection: keep-alive\r\n" + CLOSE)],
    "an upgrade": [get(headers=FIREFOX + "Connection: Upgrade\r\nUpgrade: h2c\r\n"), END],
    "an upgrade that is not asked for": [get(headers=FIREFOX + "Upgrade: websocket\r\n" + CLOSE)],
    "a request to go on": [get(headers=FIREFOX + "Expect: 100-continue\r\n" + CLOSE)],
    "a bare line feed": [get().replace("\r\n", "\n")],
    "an empty line first": ["\r\n" + get()],
    "two spaces": [get().replace("GET ", "GET  ")],
    "a value of 9,000 bytes": [get(headers=FIREFOX + f"X-Long: {'x' * 9000}\r\n" + CLOSE)],
    "a path of 9,000 bytes": [get("{path}?" + "a" * 9000)],
    "two hundred headers": [get(headers=FIREFOX + "".join(f"X-{n}: 1\r\n" for n in range(200)) + CLOSE)],
    "a space before the colon": [get(headers="Host : x\r\n" + CLOSE)],
    "a name with a blank": [get(headers="Host: x\r\nX Y: 1\r\n" + CLOSE)],
    "a zero byte": [get().replace("gzip", "gz\0ip")],
    "a lone carriage return": [get().replace("gzip", "gz\rip")],
    "no HTTP at all": ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n"],
}
SMUGGLED = {
    "both lengths": [
        get(headers=FIREFOX + "Content-Length: 44\r\nTransfer-Encoding: chunked\r\n")
        + "0\r\n\r\n"
        + get("{second}")
    ],
    "two lengths": [get(headers=FIREFOX + "Content-Length: 0\r\nContent-Length: 44\r\n") + get("{second}")],
    "a length with a sign": [get(headers=FIREFOX + "Content-Length: +0\r\n") + get("{second}")],
    "chunks": [get(headers=FIREFOX + "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n" + get("{second}")],
    "chunks in disguise": [
        get(headers=FIREFOX + "Transfer-Encoding : chunked\r\n") + "0\r\n\r\n" + get("{second}")
    ],
    "chunks of another kind": [
        get(headers=FIREFOX + "Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n" + get("{second}")
    ],
    "a body that is a request": [
        get(headers=FIREFOX + "Content-Length: {second_length}\r\n") + get("{second}"),
        END,
    ],
    "a length by folding": [
        get(headers=FIREFOX + "X: a\r\n Content-Length: 5\r\n") + "GET / " + get("{second}")
    ],
}
PIPELINED = {
    "three in one piece": [get(headers=FIREFOX) + get("{second}", FIREFOX) + get("{third}")],
    "more after the last": [get() + get("{second}")],
    "an odd one between": [get(headers=FIREFOX) + get(headers=FIREFOX, method="OPTIONS") + get("{third}")],
    "a body between": [
        get(headers=FIREFOX)
        + get(method="POST", headers=FIREFOX + "Content-Length: 3\r\n")
        + "a=b"
        + get("{third}")
    ],
    "garbage behind": [get(headers=FIREFOX) + "garbage\r\n\r\n"],
    "half a request behind": [get(headers=FIREFOX) + get("{second}")[:70], get("{second}")[70:]],
    "in three pieces": [get()[:9], get()[9:60], get()[60:]],
    "all but the last byte": [get()[:-1], get()[-1:]],
    "the blank line cut in two": [get()[:-2], get()[-2:]],
}
CASES = ORDINARY | ODD | SMUGGLED | PIPELINED
