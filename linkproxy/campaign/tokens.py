"""Tokens: the signed part of a tracked URL, and signed references for merge-tag mode.

A token is 18 bytes, written as 24 base64url characters (RFC 4648 section 5):

    key id 1 | campaign 4 and recipient 5, masked | MAC 8

The MAC is keyed BLAKE2b (RFC 7693) over key id and ids; a second key turns the MAC into the
mask of the ids, in the manner of a synthetic IV (RFC 5297). So a URL shows neither the size of
a list nor the same person in two campaigns, and equal input always gives the same token.
docs/adr/0001-url-shape.md says why.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from hmac import compare_digest
from secrets import token_bytes

from linkproxy.model import NOBODY, CampaignId, LinkproxyError, RecipientId, TokenForm, TokenIds

TOKEN_CHARACTERS = 24

Signer = Callable[[RecipientId], bytes]
"""From recipient to token, 24 ASCII bytes."""

_SECRET_BYTES = 32
_MAC_BYTES = 8
_SESSION_MAC_BYTES = 32
_CAMPAIGN_BYTES = 4
_RECIPIENT_BYTES = 5
_CAMPAIGN_BITS = 8 * _CAMPAIGN_BYTES
_RECIPIENT_BITS = 8 * _RECIPIENT_BYTES
_RECIPIENT_MASK = (1 << _RECIPIENT_BITS) - 1
_IDS_BYTES = _CAMPAIGN_BYTES + _RECIPIENT_BYTES
_TAG_AT = 1 + _IDS_BYTES
_TOKEN_BYTES = _TAG_AT + _MAC_BYTES
_number = int.from_bytes

_FORM_PERSON = {
    TokenForm.MESSAGE: b"linkproxy:msg",
    TokenForm.REFERENCE: b"linkproxy:ref",
}
_PERSON_SIGNED_REFERENCE = b"linkproxy:column"
_PERSON_NONCE = b"linkproxy:nonce"
_PERSON_PROOF = b"linkproxy:proof"
_PERSON_SESSION = b"linkproxy:login"

_URLSAFE = bytes.maketrans(b"+/", b"-_")
_FROM_URLSAFE = bytes.maketrans(b"-_", b"+/")
_STRICTLY_FROM_URLSAFE = bytes.maketrans(b"+/=-_", b"???+/")  # what is not of that alphabet stays out of it

# A leading "~" marks the extra hop, and "." and ".." are resolved away by whoever reads the URL
# (RFC 3986 section 5.2.4), so neither can be a reference.
REFERENCE = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-][A-Za-z0-9._~-]{0,63}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{19}")
_NONCE_TIME_BYTES = 6  # milliseconds since the epoch, until the year 10889
_SIGNED_REFERENCE = re.compile(rf"({REFERENCE.pattern})\.([A-Za-z0-9_-]{{11}})")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret of 32 random bytes, and the id (0 to 255) by which tokens name it."""

    id: int
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raise LinkproxyError for an id or a secret that tokens cannot carry."""
        if not 0 <= self.id <= 255:
            raise LinkproxyError(f"signing key {self.id}: the id must be 0 to 255")
        if len(self.secret) != _SECRET_BYTES:
            raise LinkproxyError(f"signing key {self.id}: the secret must be {_SECRET_BYTES} bytes")

    def derive(self, use: bytes) -> bytes:
        """Return the 32-byte key for one use, so that no secret serves two purposes."""
        return blake2b(use, key=self.secret, digest_size=_SECRET_BYTES, person=b"linkproxy:derive").digest()


class _FormKeys:
    """One signing key in one form: hash states that have taken in the key and its id already."""

    def __init__(self, key: SigningKey, form: TokenForm) -> None:
        person = _FORM_PERSON[form]
        self.head = bytes([key.id])
        self.mac = blake2b(self.head, key=key.derive(b"mac"), digest_size=_MAC_BYTES, person=person)
        self.mask = blake2b(self.head, key=key.derive(b"mask"), digest_size=_IDS_BYTES, person=person)

    def read(self, packed: bytes) -> TokenIds | None:
        tag = packed[_TAG_AT:]
        mask = self.mask.copy()
        mask.update(tag)
        ids = _number(packed[1:_TAG_AT], "big") ^ _number(mask.digest(), "big")
        mac = self.mac.copy()
        mac.update(ids.to_bytes(_IDS_BYTES, "big"))
        if not compare_digest(mac.digest(), tag):
            return None
        return CampaignId(ids >> _RECIPIENT_BITS), RecipientId(ids & _RECIPIENT_MASK), packed[0]


class Keyring:
    """The signing keys of an installation: the first signs, all of them read."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        if not keys:
            raise LinkproxyError("there is no signing key; `linkproxy init` makes one")
        ids = [key.id for key in keys]
        doubled = sorted({key_id for key_id in ids if ids.count(key_id) > 1})
        if doubled:
            named = ", ".join(map(str, doubled))
            raise LinkproxyError(f"signing key id {named} is there twice; give each key an id of its own")
        self.active_id = ids[0]
        self.fingerprints = {key.id: key.derive(b"fingerprint")[:8] for key in keys}
        """By id: what tells each key from others of its id."""
        self._forms = {(key.id, form): _FormKeys(key, form) for key in keys for form in TokenForm}
        self._columns = tuple(
            blake2b(key=key.derive(b"column"), digest_size=_MAC_BYTES, person=_PERSON_SIGNED_REFERENCE)
            for key in keys
        )
        self._proofs = tuple(
            blake2b(key=key.derive(b"proof"), digest_size=_MAC_BYTES, person=_PERSON_PROOF) for key in keys
        )
        self._sessions = tuple(
            blake2b(key=key.derive(b"session"), digest_size=_SESSION_MAC_BYTES, person=_PERSON_SESSION)
            for key in keys
        )
        self._nonces = tuple(
            blake2b(key=key.derive(b"nonce"), digest_size=_MAC_BYTES, person=_PERSON_NONCE) for key in keys
        )

    def sign(
        self, campaign_id: CampaignId, recipient_id: RecipientId, form: TokenForm = TokenForm.MESSAGE
    ) -> str:
        """Return the token of a message; OverflowError for ids out of the model's range."""
        return self.signer(campaign_id, form)(recipient_id).decode("ascii")

    def tokens_of(self, campaign_id: CampaignId, recipient_id: RecipientId) -> tuple[str, ...]:
        """Return every true token of a message: of each signing key, and in both forms."""
        named = {TokenForm.MESSAGE: recipient_id, TokenForm.REFERENCE: NOBODY}
        return tuple(
            _signer(keys, campaign_id)(named[form]).decode("ascii")
            for (_, form), keys in self._forms.items()
            if form in named
        )

    def signer(self, campaign_id: CampaignId, form: TokenForm = TokenForm.MESSAGE) -> Signer:
        """Return a function from recipient to token (24 ASCII bytes), for a whole mailing.

        The hash of key and campaign is made once here and copied for each recipient.
        """
        return _signer(self._forms[self.active_id, form], campaign_id)

    def read(self, token: str, form: TokenForm) -> TokenIds | None:
        """Return what a true token says; None for any other text.

        18 bytes fill 24 characters without a bit to spare, so a token has one spelling only.
        """
        try:
            packed = a2b_base64(token.encode("ascii").translate(_STRICTLY_FROM_URLSAFE), strict_mode=True)
        except ValueError:
            return None
        if len(packed) != _TOKEN_BYTES:
            return None
        keys = self._forms.get((packed[0], form))
        return keys.read(packed) if keys else None

    def sign_reference(self, reference: str) -> str:
        """Return ``{reference}.{MAC}`` for merge-tag mode; LinkproxyError if it cannot stand in a URL."""
        if not REFERENCE.fullmatch(reference):
            raise LinkproxyError(
                f"reference {reference[:80]!r} cannot stand in a link: use 1 to 64 of A-Z a-z 0-9 . _ ~ -, "
                "not starting with ~, and no mail address"
            )
        return f"{reference}.{_column_mac(self._columns[0], reference)}"

    def sign_hop(self, path: str, at: float) -> str:
        """Return the nonce of an extra hop that begins at a tracked URL's path, at a time in seconds.

        19 base64url characters: the time in milliseconds 6, and a MAC 8 over it and the path.
        """
        stamp = round(at * 1000).to_bytes(_NONCE_TIME_BYTES, "big")
        return _base64url(stamp + _nonce_mac(self._nonces[0], stamp, path))

    def read_hop(self, path: str, nonce: str) -> float | None:
        """Return when a nonce was given out for a path; None for any other text."""
        if not _NONCE.fullmatch(nonce):
            return None
        packed = a2b_base64(nonce.encode("ascii").translate(_FROM_URLSAFE) + b"=")
        stamp, mac = packed[:_NONCE_TIME_BYTES], packed[_NONCE_TIME_BYTES:]
        if not any(compare_digest(_nonce_mac(key, stamp, path), mac) for key in self._nonces):
            return None
        return int.from_bytes(stamp, "big") / 1000

    def prove(self, challenge: str) -> str:
        """Return what only an installation with these keys can say to a challenge (ASCII)."""
        return _proof(self._proofs[0], challenge)

    def is_proof(self, challenge: str, proof: str) -> bool:
        """Tell whether a proof was made with one of the keys."""
        said = proof.encode("utf-8", "replace")
        return any(compare_digest(_proof(state, challenge).encode(), said) for state in self._proofs)

    def sign_session(self, session: bytes) -> bytes:
        """Return the MAC (32 bytes) of what somebody who signed in is known by."""
        return _session_mac(self._sessions[0], session)

    def is_session(self, session: bytes, mac: bytes) -> bool:
        """Tell whether a session was signed with one of the keys."""
        return any(compare_digest(_session_mac(state, session), mac) for state in self._sessions)

    def check_reference(self, text: str) -> tuple[str, bool] | None:
        """Return (reference, True) when signed by one of the keys, (text, False) when plain.

        None: not a reference at all, such as a mail address or a merge tag nobody filled in.
        """
        signed = _SIGNED_REFERENCE.fullmatch(text)
        if signed:
            reference, mac = signed.groups()
            if any(compare_digest(_column_mac(column, reference), mac) for column in self._columns):
                return reference, True
        return (text, False) if REFERENCE.fullmatch(text) else None


def _signer(keys: _FormKeys, campaign_id: CampaignId) -> Signer:
    named = (keys.head[0] << _CAMPAIGN_BITS | campaign_id) << _RECIPIENT_BITS
    mac_state = keys.mac.copy()
    mac_state.update(campaign_id.to_bytes(_CAMPAIGN_BYTES, "big"))
    copy_mac, copy_mask = mac_state.copy, keys.mask.copy

    # Most significant byte first, which is the default: to name it would take time for every recipient.
    def sign_recipient(recipient_id: RecipientId) -> bytes:
        mac = copy_mac()
        mac.update(recipient_id.to_bytes(_RECIPIENT_BYTES))
        tag = mac.digest()
        mask = copy_mask()
        mask.update(tag)
        masked = (named | recipient_id) ^ _number(mask.digest())
        return b2a_base64(masked.to_bytes(_TAG_AT) + tag, newline=False).translate(_URLSAFE)

    return sign_recipient


def _column_mac(column: blake2b, reference: str) -> str:
    mac = column.copy()
    mac.update(reference.encode("ascii"))
    return _base64url(mac.digest())


def _proof(state: blake2b, challenge: str) -> str:
    mac = state.copy()
    mac.update(challenge.encode("ascii"))
    return _base64url(mac.digest())


def _session_mac(state: blake2b, session: bytes) -> bytes:
    mac = state.copy()
    mac.update(session)
    return mac.digest()


def _nonce_mac(state: blake2b, stamp: bytes, path: str) -> bytes:
    mac = state.copy()
    mac.update(stamp)
    mac.update(path.encode("utf-8", "surrogateescape"))
    return mac.digest()


def _base64url(data: bytes) -> str:
    return b2a_base64(data, newline=False).rstrip(b"=").translate(_URLSAFE).decode("ascii")


# --- the keys file -----------------------------------------------------------------------------

_KEY_LINE = re.compile(r"([0-9]{1,3}):([A-Za-z0-9_-]{43})=?")
_FILE_HEAD = "# linkproxy signing keys, id:secret. The first signs, all are read. Keep this file secret.\n"


def parse_keys(text: str, where: str) -> list[SigningKey]:
    """Read a keys file: ``id:base64url(32 bytes)`` a line, ``#`` comments, the first key signs.

    Raises LinkproxyError that names every bad line at once and shows no secret.
    """
    keys: dict[int, SigningKey] = {}
    faults: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _KEY_LINE.fullmatch(stripped)
        key_id = int(match[1]) if match else -1
        if not match or key_id > 255:
            faults.append(
                f"line {number}: not `id:secret` with an id of 0 to 255 and 43 base64url characters"
            )
        elif key_id in keys:
            faults.append(f"line {number}: key id {key_id} is there twice")
        else:
            secret = a2b_base64(match[2].encode("ascii").translate(_FROM_URLSAFE) + b"=")
            keys[key_id] = SigningKey(key_id, secret)
    if not keys and not faults:
        faults.append(
            "no signing key in it. Bring it back from your back-up, since mail that is out needs its keys, "
            "or take a new one from: linkproxy init --folder FOLDER"
        )
    if faults:
        raise LinkproxyError(f"{where}: {'; '.join(faults)}")
    return list(keys.values())


def format_keys(keys: Sequence[SigningKey]) -> str:
    """Return the keys file's text; parse_keys reads it back."""
    return _FILE_HEAD + "".join(f"{key.id}:{_base64url(key.secret)}\n" for key in keys)


def new_key(taken: Iterable[int]) -> SigningKey:
    """Return a fresh random key with an id after those taken; LinkproxyError when all 256 are."""
    used = set(taken)
    free = [key_id for key_id in range(max(used, default=0) + 1, 256) if key_id not in used]
    free += [key_id for key_id in range(1, 256) if key_id not in used]
    if not free:
        raise LinkproxyError("all signing key ids are taken; remove keys whose mail is no longer read")
    return SigningKey(free[0], token_bytes(_SECRET_BYTES))
