"""Everything that holds for every engine, in one class for its test module to inherit.

The module's fixture ``open_store`` opens a store of its engine; calling it again opens another one
on the same data, as a second process would.
"""

from __future__ import annotations

from store.contract_afterlife import AfterlifeContract
from store.contract_domains import DomainContract
from store.contract_export import ExportContract
from store.contract_feed import FeedContract
from store.contract_gaps import GapContract
from store.contract_gateways import GatewayContract
from store.contract_journal import JournalContract
from store.contract_listings import ListingContract
from store.contract_nameless import NamelessContract
from store.contract_outgoing import OutgoingContract
from store.contract_people import PeopleContract
from store.contract_registered import RegisteredContract
from store.contract_review import ReviewContract
from store.contract_rollups import RollupContract
from store.contract_settling import SettlingContract
from store.contract_sources import SourceContract
from store.contract_spellings import SpellingsContract
from store.contract_together import TogetherContract
from store.contract_webhooks import WebhookContract


class StoreContract(
    DomainContract,
    ReviewContract,
    OutgoingContract,
    PeopleContract,
    JournalContract,
    SettlingContract,
    ListingContract,
    TogetherContract,
    GatewayContract,
    AfterlifeContract,
    FeedContract,
    RollupContract,
    SourceContract,
    SpellingsContract,
    GapContract,
    ExportContract,
    RegisteredContract,
    NamelessContract,
    WebhookContract,
):
    """The claims of all areas."""
