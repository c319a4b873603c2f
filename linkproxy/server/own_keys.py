"""Are the signing keys the store's own? The first key of every installation has the id 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from linkproxy.campaign.tokens import Keyring
    from linkproxy.store.api import Store


async def check_own(store: Store, keyring: Keyring) -> None:
    """Raise LinkproxyError when mail of the store was signed by another key of the id of one of these."""
    foreign = [
        key_id
        for key_id, fingerprint in keyring.fingerprints.items()
        if await store.is_other_signing_key(key_id, fingerprint)
    ]
    if foreign:
        raise LinkproxyError("\n".join(map(not_own, foreign)))


def not_own(key_id: int) -> str:
    """Return what to say of a key that is another of its id than the one which signed the store's mail."""
    return (
        f"signing key {key_id} is not the key of that id which signed mail of this store, so links would "
        "lead nowhere: name the store's own keys in [signing] keys_file or, if they are lost, give "
        f"`linkproxy signing-keys rotate` and then `linkproxy signing-keys remove {key_id} --force`"
    )
