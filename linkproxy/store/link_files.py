"""Link files: what links need, a second time, outside of the store; a file for each campaign.

A file is written as a whole after each change, so reading them needs no order and there is nothing to
be rotated. No file ever loses a link: what it has and the store lacks was lost with a database.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from linkproxy.model import (
    BaitPlaces,
    BaitStyle,
    Campaign,
    CampaignId,
    CampaignKind,
    Link,
    LinkKey,
    LinkKind,
    LinkproxyError,
    LinkRole,
    MachineAnswer,
    Utm,
)
from linkproxy.store.gaps import MOST
from linkproxy.store.registered import Registered, is_same, together

if TYPE_CHECKING:
    from collections.abc import Callable

    from linkproxy.store.registered import BroughtBack, RegisteredStore

_VERSION = 1
_NAMES = "campaign-*.json"
_MINUTE_SECONDS = 60.0


class LinkFiles:
    """The files of a folder, or none. ``tell`` gets a sentence where one cannot be kept."""

    def __init__(self, folder: str = "", tell: Callable[[str], None] | None = None) -> None:
        self._folder = Path(folder) if folder else None
        self._tell = tell or _log
        self._said, self._again_at = "", 0.0

    async def save(self, store: RegisteredStore, campaign_id: CampaignId) -> None:
        """Bring a campaign's file up to date; never raises, since links and mail do without it.

        Asked again after it has written: of several processes the last to write has seen all changes.
        """
        if self._folder is None:
            return
        path = self._folder / _name(campaign_id)
        try:
            found = await store.registered(campaign_id)
            while found is not None and await asyncio.to_thread(self._write, path, found):
                again = await store.registered(campaign_id)
                if again == found:
                    return
                found = again
        except OSError as error:
            self._say(f"{self._folder}: link files cannot be written ({error.strerror or error})")
        except LinkproxyError as error:
            self._say(str(error))

    def _say(self, text: str) -> None:
        """Tell the same once a minute: where the disk is away, no campaign of thousands can be filed."""
        now = monotonic()
        if text != self._said or now >= self._again_at:
            self._said, self._again_at = text, now + _MINUTE_SECONDS
            self._tell(text)

    def _write(self, path: Path, found: Registered) -> bool:
        """Write a file unless it says the same; return whether it was written. Raises OSError."""
        path.parent.mkdir(mode=0o700, exist_ok=True)
        before = None
        with suppress(FileNotFoundError):
            before = read_file(path)
        if before is not None:
            if not is_same(before.campaign, found.campaign):
                raise LinkproxyError(
                    f"{path}: it is of the campaign {before.campaign.name!r} and stays so; the store has "
                    f"{found.campaign.name!r} under that id: a backup was restored without `store skip-ids`, "
                    "or another installation keeps its link files there, too"
                )
            found = together(before, found)
            if found == before:
                return False
        _replace(path, _text(found))
        return True


class FiledStore:
    """What every engine does with the link files beside it. Part of ``RegisteredStore``."""

    _files: LinkFiles

    if TYPE_CHECKING:

        async def registered(self, campaign_id: CampaignId) -> Registered | None: ...

        async def _bring_back(self, lost: Registered) -> BroughtBack: ...

    async def bring_back(self, lost: Registered) -> BroughtBack:
        done = await self._bring_back(lost)
        if not done.faults:  # else the file is all that knows what differs, until somebody decides
            await self.file_links(lost.campaign.id)
        return done

    async def file_links(self, campaign_id: CampaignId) -> None:
        await self._files.save(self, campaign_id)


def read_folder(folder: Path) -> list[Registered]:
    """Return what the files of a folder hold, by campaign; raise LinkproxyError, of all files at once."""
    paths = sorted(folder.glob(_NAMES), key=lambda path: (len(path.name), path.name))
    if not paths:
        raise LinkproxyError(f"{folder}: there are no link files in it (campaign-1.json and so on)")
    found, faults = [], []
    for path in paths:
        try:
            found.append(read_file(path))
        except OSError as error:
            faults.append(f"{path}: cannot be read ({error.strerror or error})")
        except LinkproxyError as error:
            faults.append(str(error))
    if faults:
        raise LinkproxyError("\n".join(faults))
    return found


def read_file(path: Path) -> Registered:
    """Return what a file holds; raise LinkproxyError, or OSError."""
    try:
        content = json.loads(path.read_text("ascii"))
        if content["version"] != _VERSION:
            raise LinkproxyError(f"{path}: another version of linkproxy wrote it; use that")
        campaign = _campaign(content["campaign"], path)
        links = tuple(_link(campaign.id, values) for values in content["links"])
        keys = tuple((int(key_id), bytes.fromhex(found)) for key_id, found in content["signing_keys"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise LinkproxyError(f"{path}: it is no link file, or is damaged ({error!r}); move it away") from None
    return Registered(campaign, links, keys)


def _name(campaign_id: CampaignId) -> str:
    return f"campaign-{campaign_id}.json"


def _text(found: Registered) -> str:
    links = [asdict(link) for link in found.links]
    for values in links:
        del values["campaign_id"]
    content = {
        "version": _VERSION,
        "campaign": asdict(found.campaign),
        "links": links,
        "signing_keys": [(key_id, fingerprint.hex()) for key_id, fingerprint in found.signing_keys],
    }
    return json.dumps(content, indent=1) + "\n"


_OF_CAMPAIGN: dict[str, Callable[[Any], Any]] = {
    "id": CampaignId,
    "kind": CampaignKind,
    "machine_answer": MachineAnswer,
    "bait_style": BaitStyle,
    "bait_places": BaitPlaces,
    "utm": lambda values: Utm(**values),
}
_ANY_CAMPAIGN = Campaign(CampaignId(1), "")
_ANY_LINK = Link(CampaignId(1), LinkKey(""), "", LinkKind.CONTENT, LinkRole.BODY, 0)
_OF_LINK: dict[str, Callable[[Any], Any]] = {"kind": LinkKind, "role": LinkRole, "style": BaitStyle}


def _campaign(values: dict[str, Any], path: Path) -> Campaign:
    found = Campaign(**{name: _OF_CAMPAIGN.get(name, _same)(value) for name, value in values.items()})
    _check_types(found, replace(_ANY_CAMPAIGN, archived_at=found.archived_at and 0.0))
    # New ids go on behind the greatest, and tokens must hold them.
    if path.name != _name(found.id) or not 0 < found.id <= MOST["campaign"]:
        raise ValueError(f"campaign {found.id}")
    return found


def _link(campaign_id: CampaignId, values: dict[str, Any]) -> Link:
    read = {name: _OF_LINK.get(name, _same)(value) for name, value in values.items()}
    link = Link(campaign_id=campaign_id, **read)
    _check_types(link, _ANY_LINK)
    return link


def _check_types(found: Campaign | Link, like: Campaign | Link) -> None:
    for field in fields(found):
        value, expected = getattr(found, field.name), type(getattr(like, field.name))
        if type(value) is not expected and not (expected is float and type(value) is int):
            raise ValueError(f"{field.name}: {value!r}"[:120])


def _same(value: Any) -> Any:
    return value


def _replace(path: Path, text: str) -> None:
    """Put a file in another one's place, durably; nobody ever sees a part of it."""
    draft = path.with_name(f".{path.name}.{uuid4().hex}")  # others may be at the same file
    try:
        _write_durably(draft, text)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write_durably(path: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="ascii") as file:
        if os.geteuid() == 0:  # a command of root's must leave what the server can go on with
            place = path.parent.stat()
            os.fchown(file.fileno(), place.st_uid, place.st_gid)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _log(text: str) -> None:
    from linkproxy.logs import Event, get_logger  # commands tell it by themselves, and start sooner without

    get_logger().error(Event.LINKS_UNFILED, error=text)
