import string
from base64 import urlsafe_b64decode
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.campaign.tokens import (
    TOKEN_CHARACTERS,
    Keyring,
    SigningKey,
    format_keys,
    new_key,
    parse_keys,
)
from linkproxy.model import NOBODY, CampaignId, LinkproxyError, RecipientId, TokenForm

ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
OLD = SigningKey(1, bytes(range(32)))
NEW = SigningKey(2, bytes(range(32, 64)))
KEYRING = Keyring([OLD])
ROTATED = Keyring([NEW, OLD])

campaigns = st.integers(1, 2**32 - 1).map(CampaignId)
recipients = st.integers(0, 2**40 - 1).map(RecipientId)
forms = st.sampled_from(TokenForm)
references = st.text(ALPHABET + ".~", min_size=1, max_size=64).filter(
    lambda text: not text.startswith("~") and text not in {".", ".."}
)


def url_bytes(token: str) -> bytes:
    """What a token carries behind its key id."""
    return urlsafe_b64decode(token)[1:]


@given(campaigns, recipients, forms, st.integers(0, 255))
def test_a_token_says_what_was_signed(campaign, recipient, form, key_id):
    keyring = Keyring([SigningKey(key_id, OLD.secret)])
    token = keyring.sign(campaign, recipient, form)
    assert len(token) == TOKEN_CHARACTERS
    assert set(token) <= set(ALPHABET)
    assert keyring.read(token, form) == (campaign, recipient, key_id)


@pytest.mark.parametrize(
    ("campaign", "recipient"), [(0, 0), (1, NOBODY), (1, 1), (2**32 - 1, 2**40 - 1), (2**32 - 1, 0)]
)
def test_the_ends_of_the_range_round_trip(campaign, recipient):
    token = KEYRING.sign(CampaignId(campaign), RecipientId(recipient))
    assert KEYRING.read(token, TokenForm.MESSAGE) == (campaign, recipient, 1)


@pytest.mark.parametrize(("campaign", "recipient"), [(2**32, 1), (1, 2**40), (-1, 1), (1, -1)])
def test_an_id_out_of_range_is_never_signed(campaign, recipient):
    with pytest.raises(OverflowError):
        KEYRING.sign(CampaignId(campaign), RecipientId(recipient))


@given(campaigns, recipients)
def test_the_fast_signer_writes_the_same_token(campaign, recipient):
    assert KEYRING.signer(campaign)(recipient).decode() == KEYRING.sign(campaign, recipient)


@given(campaigns, st.lists(recipients, min_size=2, max_size=20, unique=True))
def test_a_signer_is_not_changed_by_what_it_signed(campaign, several):
    sign = KEYRING.signer(campaign)
    first = [sign(recipient) for recipient in several]
    assert [sign(recipient) for recipient in reversed(several)] == first[::-1]


@settings(max_examples=30)
@given(campaigns, recipients, forms)
def test_any_single_changed_character_reads_none(campaign, recipient, form):
    token = KEYRING.sign(campaign, recipient, form)
    for index, character in enumerate(token):
        for other in ALPHABET:
            if other != character:
                changed = token[:index] + other + token[index + 1 :]
                assert KEYRING.read(changed, form) is None


@given(campaigns, recipients, forms)
def test_any_truncation_or_extension_reads_none(campaign, recipient, form):
    token = KEYRING.sign(campaign, recipient, form)
    for length in range(len(token)):
        assert KEYRING.read(token[:length], form) is None
        assert KEYRING.read(token[length + 1 :], form) is None
    for more in ("A", "=", "\n", " ", "AAAA", "=="):
        assert KEYRING.read(token + more, form) is None
        assert KEYRING.read(more + token, form) is None


@given(campaigns, recipients)
def test_a_token_has_one_spelling_only(campaign, recipient):
    token = KEYRING.sign(campaign, recipient)
    standard = token.replace("-", "+").replace("_", "/")
    if standard != token:
        assert KEYRING.read(standard, TokenForm.MESSAGE) is None
    full_width = chr(ord(token[0]) + 0xFEE0) + token[1:]
    assert KEYRING.read(full_width, TokenForm.MESSAGE) is None


@given(st.text(max_size=80) | st.text(ALPHABET, min_size=24, max_size=24), forms)
def test_no_text_whatever_raises_or_reads(text, form):
    assert ROTATED.read(text, form) is None


@pytest.mark.parametrize("text", ["", "\ud800" * 24, "é" * 24, "A" * 10_000_000, "\x00" * 24, "AAAA=" * 5])
def test_hostile_text_reads_none(text):
    assert KEYRING.read(text, TokenForm.MESSAGE) is None


@given(campaigns, recipients)
def test_the_forms_cannot_be_exchanged(campaign, recipient):
    for signed in TokenForm:
        token = KEYRING.sign(campaign, recipient, signed)
        readers = [form for form in TokenForm if KEYRING.read(token, form)]
        assert readers == [signed]


@given(campaigns, campaigns, recipients)
def test_one_person_in_two_campaigns_cannot_be_told_from_the_urls(one, other, recipient):
    """Chance alone makes about 17/256 equal bytes in place; half of them equal would be a leak."""
    if one != other:
        first, second = url_bytes(KEYRING.sign(one, recipient)), url_bytes(KEYRING.sign(other, recipient))
        assert sum(a == b for a, b in zip(first, second, strict=True)) <= 6


def test_tokens_of_neighbouring_recipients_share_no_more_bytes_than_chance():
    tokens = [url_bytes(KEYRING.sign(CampaignId(7), RecipientId(number))) for number in range(2000)]
    pairs = pairwise(tokens)
    equal = sum(a == b for first, second in pairs for a, b in zip(first, second, strict=True))
    chance = 1999 * 17 / 256
    assert 0.5 * chance < equal < 2 * chance


def test_a_url_shows_neither_id():
    campaign, recipient = CampaignId(0x01020304), RecipientId(0x0A0B0C0D0E)
    shown = url_bytes(KEYRING.sign(campaign, recipient))
    assert campaign.to_bytes(4, "big") not in shown
    assert recipient.to_bytes(5, "big") not in shown


def test_the_same_message_always_gets_the_same_token():
    assert KEYRING.sign(CampaignId(3), RecipientId(4)) == Keyring([OLD]).sign(CampaignId(3), RecipientId(4))


def test_the_token_format_is_frozen():
    """Sent mail outlives a release: this text must read for ever."""
    assert KEYRING.sign(CampaignId(3), RecipientId(4)) == "AbR6KsfEOu7YHMX4gt3DjzxF"


def test_a_rotated_keyring_reads_old_tokens_and_signs_new_ones():
    old = KEYRING.sign(CampaignId(1), RecipientId(2))
    new = ROTATED.sign(CampaignId(1), RecipientId(2))
    assert ROTATED.active_id == 2
    assert ROTATED.read(old, TokenForm.MESSAGE) == (CampaignId(1), RecipientId(2), 1)
    assert ROTATED.read(new, TokenForm.MESSAGE) == (CampaignId(1), RecipientId(2), 2)
    assert KEYRING.read(new, TokenForm.MESSAGE) is None


def test_another_secret_under_the_same_id_reads_none():
    forged = Keyring([SigningKey(1, NEW.secret)]).sign(CampaignId(1), RecipientId(2))
    assert KEYRING.read(forged, TokenForm.MESSAGE) is None


def test_a_keyring_wants_keys_with_ids_of_their_own():
    with pytest.raises(LinkproxyError, match="linkproxy init"):
        Keyring([])
    with pytest.raises(LinkproxyError, match="key id 1 is there twice"):
        Keyring([OLD, SigningKey(1, NEW.secret)])


def test_a_signing_key_shows_no_secret():
    assert OLD.secret.hex() not in repr(OLD)
    assert "secret" not in repr(OLD)


# --- references --------------------------------------------------------------------------------


@given(references)
def test_a_signed_reference_is_verified(reference):
    signed = KEYRING.sign_reference(reference)
    assert signed[:-12] == reference
    assert KEYRING.check_reference(signed) == (reference, True)


@given(references)
def test_a_plain_reference_is_accepted_but_not_verified(reference):
    assert KEYRING.check_reference(reference) == (reference, False)


@settings(max_examples=30)
@given(st.text(ALPHABET, min_size=1, max_size=40))
def test_a_signed_reference_with_any_changed_character_is_not_verified(reference):
    signed = KEYRING.sign_reference(reference)
    for index, character in enumerate(signed):
        for other in "A9-_.":
            if other != character:
                changed = KEYRING.check_reference(signed[:index] + other + signed[index + 1 :])
                assert changed is None or changed[1] is False


def test_the_last_character_of_a_reference_mac_has_one_spelling():
    signed = KEYRING.sign_reference("member-1")
    verified = [
        last for last in ALPHABET if KEYRING.check_reference(signed[:-1] + last) == ("member-1", True)
    ]
    assert verified == [signed[-1]]


def test_a_broken_signature_behind_a_long_reference_is_no_reference():
    signed = KEYRING.sign_reference("m" * 64)
    assert KEYRING.check_reference(signed) == ("m" * 64, True)
    assert KEYRING.check_reference(signed[:-1]) is None


def test_a_reference_signed_before_a_rotation_stays_verified():
    assert ROTATED.check_reference(KEYRING.sign_reference("x1")) == ("x1", True)
    assert KEYRING.check_reference(ROTATED.sign_reference("x1")) == (ROTATED.sign_reference("x1"), False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jane@example.com",
        "jane%40example.com",
        "{{contact_id}}",
        "*|UNIQID|*",
        "%recipient.id%",
        "[id]",
        "<%id%>",
        "$id",
        "a b",
        "a/b",
        "a?b",
        "a\n",
        "~nonce",
        ".",
        "..",
        "é",
        "m" * 65,
    ],
)
def test_what_cannot_be_a_reference_is_refused(text):
    assert KEYRING.check_reference(text) is None
    with pytest.raises(LinkproxyError, match="reference"):
        KEYRING.sign_reference(text)


def test_a_token_is_not_a_signed_reference_and_a_reference_mac_is_no_token():
    token = KEYRING.sign(CampaignId(1), RecipientId(1))
    assert KEYRING.check_reference(token) == (token, False)
    assert KEYRING.read(KEYRING.sign_reference("0123456789ab"), TokenForm.REFERENCE) is None


# --- the keys file -----------------------------------------------------------------------------


def test_a_keys_file_reads_back_in_order():
    assert parse_keys(format_keys([NEW, OLD]), "keys") == [NEW, OLD]


def test_comments_blank_lines_and_padding_are_allowed():
    text = format_keys([OLD]).splitlines()[-1]
    assert parse_keys(f"# mine\r\n\r\n  {text}=  \r\n", "keys") == [OLD]


def test_all_bad_lines_of_a_keys_file_are_named_at_once_and_no_secret_is_shown():
    good = format_keys([OLD]).splitlines()[-1]
    secret = good.partition(":")[2]
    text = f"nonsense\n{good}\n300:{secret}\n1:{secret}\n2:short\n"
    with pytest.raises(LinkproxyError) as raised:
        parse_keys(text, "signing-keys.txt")
    message = str(raised.value)
    assert message.startswith("signing-keys.txt: ")
    assert [number for number in range(1, 6) if f"line {number}:" in message] == [1, 3, 4, 5]
    assert secret not in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "# only a comment\n"])
def test_a_keys_file_without_keys_says_what_to_do(text):
    with pytest.raises(LinkproxyError, match=r"back-up.*linkproxy init --folder"):
        parse_keys(text, "keys")


def test_a_new_key_gets_an_id_that_was_not_in_use():
    assert new_key([]).id == 1
    assert new_key([1, 2]).id == 3
    assert new_key([255]).id == 1
    assert new_key([1]).secret != new_key([1]).secret
    with pytest.raises(LinkproxyError, match="all signing key ids are taken"):
        new_key(range(256))


@pytest.mark.parametrize(("key_id", "secret"), [(-1, b"x" * 32), (256, b"x" * 32), (1, b"x" * 31), (1, b"")])
def test_a_signing_key_that_tokens_cannot_carry_is_refused(key_id, secret):
    with pytest.raises(LinkproxyError, match=f"signing key {key_id}"):
        SigningKey(key_id, secret)


# --- the extra hop -----------------------------------------------------------------------------

HOP_PATH = "/AbCdEfGhIjKlMnOpQrStUvWx/aB3x"


@given(st.floats(0, 4e9), st.text("abcXYZ019._-", min_size=1, max_size=40))
def test_a_nonce_says_when_it_was_given_out_and_holds_for_its_path_alone(at, path):
    ring = Keyring([SigningKey(1, bytes(range(32)))])
    nonce = ring.sign_hop(path, at)
    assert ring.read_hop(path, nonce) == pytest.approx(at, abs=0.001)
    assert ring.read_hop(path + "x", nonce) is None


@pytest.mark.parametrize("place", range(19))
def test_a_nonce_with_any_character_changed_is_nobodys(place):
    ring = Keyring([SigningKey(1, bytes(range(32)))])
    nonce = ring.sign_hop(HOP_PATH, 1_795_000_000.25)
    sign = "A" if nonce[place] not in "AB" else "Q"
    assert ring.read_hop(HOP_PATH, nonce[:place] + sign + nonce[place + 1 :]) is None


def test_a_nonce_outlives_a_new_signing_key_and_fits_a_url():
    old, new = SigningKey(1, bytes(range(32))), SigningKey(2, bytes(32))
    nonce = Keyring([old]).sign_hop(HOP_PATH, 1_795_000_000.0)
    assert Keyring([new, old]).read_hop(HOP_PATH, nonce) == 1_795_000_000.0
    assert Keyring([new]).read_hop(HOP_PATH, nonce) is None
    assert len(nonce) == 19
    assert nonce.replace("-", "a").replace("_", "a").isalnum()
