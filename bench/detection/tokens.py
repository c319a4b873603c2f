"""Changed copies of a link's token, as scanners were seen to make them."""

from __future__ import annotations


def spoilt(token: str, how: str) -> str:
    """Return a token changed in one of four ways; "" leaves it as it is."""
    match how:
        case "":
            return token
        case "%27":
            return f"{token}%27"
        case "swap":
            return token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
        case "rot13":
            return "".join(_rot13(letter) for letter in token)
        case _:
            return token[:-5]


def _rot13(letter: str) -> str:
    if not letter.isalpha():
        return letter
    base = ord("a") if letter.islower() else ord("A")
    return chr((ord(letter) - base + 13) % 26 + base)
