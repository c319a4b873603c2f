"""Evidence as it is stored: in the order of Evidence's fields, sources told once for each rule set."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from linkproxy.model import Evidence, Family, Verdict, VerdictKind
from linkproxy.store.sqlite_rows import compact
from linkproxy.visit.sources import NO_SOURCES, sources_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_quoted = json.encoder.encode_basestring_ascii

_REQUEST = Family.REQUEST
_FAMILIES = {family: _quoted(family) for family in Family}

_SHARED: dict[int, tuple[object, Mapping[str, str], str]] = {}
"""What requests say, which is one object for all that are alike: (object, sources, JSON) by its id()."""

_MOST_SHARED = 16_384

_JSON = frozenset({"evidence", "settled_evidence", "facts", "settled_facts", "reasons"})
"""Columns that hold JSON."""


def verdict_text(verdict: Verdict) -> str:
    """Return a verdict's evidence as JSON, to be stored with the id of its rule set.

    Whoever stores it notes the rule set with ``sources_text`` in the same transaction.
    """
    known = _SHARED.get(id(verdict))
    if known is not None and known[0] is verdict:
        return known[2]
    evidence, sources = verdict.evidence, sources_of(verdict.policy)
    text = evidence_text(evidence, sources)
    if evidence and evidence[-1].family is _REQUEST:  # the request's comes first, so there is nothing else
        _share(verdict, sources, text)
    return text


def evidence_text(evidence: Sequence[Evidence], sources: Mapping[str, str] = NO_SOURCES) -> str:
    """Return evidence as JSON: one array for each signal, in the order of Evidence's fields.

    ``sources``: those of the rule set, by the signal's name; such a source is left empty.
    """
    texts = []
    for item in evidence:
        if item.family is not _REQUEST:
            texts.append(_item_text(item, sources))
            continue
        known = _SHARED.get(id(item))
        if known is not None and known[0] is item and known[1] is sources:
            texts.append(known[2])
        else:
            texts.append(_item_text(item, sources))
            _share(item, sources, texts[-1])
    return f"[{','.join(texts)}]"


def _share(said: object, sources: Mapping[str, str], text: str) -> None:
    if len(_SHARED) >= _MOST_SHARED:
        _SHARED.clear()
    _SHARED[id(said)] = (said, sources, text)


def _item_text(item: Evidence, sources: Mapping[str, str]) -> str:
    """Return one array; written out, since this is three times as fast as the encoder.

    A source is empty where it is what the rule set says; null is none whatever it says.
    """
    name, source = item.name, item.source
    told = ('""' if source == sources.get(name) else _constant(source)) if source else "null"
    counted, decisive = "1" if item.counted else "0", "1" if item.decisive else "0"
    return (
        f"[{_constant(name)},{_FAMILIES[item.family]},{_number(item.weight)},{told},"
        f"{counted},{decisive},{_quoted(item.detail)}]"
    )


# Weights have one decimal, so there are few; to write one takes as long as looking up three.
_number = lru_cache(maxsize=1024, typed=True)(repr)


@lru_cache(maxsize=1024)
def _constant(text: str) -> str:
    """Return a text of the policy as JSON."""
    return _quoted(text)


def evidence_from(text: str, sources: Mapping[str, str] = NO_SOURCES) -> tuple[Evidence, ...]:
    """Return stored evidence; ``sources``: those of its rule set, by the signal's name."""
    return tuple(
        Evidence(name, Family(family), weight, source, bool(counted), bool(decisive), detail)
        for name, family, weight, source, counted, decisive, detail in told(json.loads(text), sources)
    )


def told(stored: Iterable[list[Any]], sources: Mapping[str, str]) -> list[list[Any]]:
    """Return arrays of stored evidence with every source in words."""
    return [
        [*item[:3], sources.get(item[0], "") if item[3] == "" else item[3] or "", *item[4:]]
        for item in stored
    ]


POLICIES = "SELECT id, hash, sources FROM policy"


def sources_by_id(found: Iterable[Sequence[Any]]) -> dict[int, Mapping[str, str]]:
    """Return the sources of rule sets by their ids, of rows of the statement POLICIES."""
    return {row[0]: sources_from(row[1], row[2]) for row in found}


def exported(columns: Iterable[tuple[str, Any]], sources: Mapping[Any, Mapping[str, str]]) -> dict[str, Any]:
    """Return a row as what JSON can hold; in its evidence every source is in words."""
    row = {name: _exported(name, value) for name, value in columns}
    stored = (("evidence", "policy_id"), ("settled_evidence", "settled_policy_id"))
    words = {
        evidence: told(row[evidence], sources.get(row.get(policy), NO_SOURCES))
        for evidence, policy in stored
        if row.get(evidence) is not None
    }
    return row | words


def _exported(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if name in _JSON and value is not None:
        return json.loads(value)
    return value


def reasons_from(text: str) -> tuple[str, ...]:
    """Return the names of the counted signals of stored evidence, strongest first."""
    return Verdict(VerdictKind.HUMAN, 0.0, 0.0, evidence_from(text)).reasons


def sources_text(digest: str) -> str:
    """Return the sources of a rule set as its row holds them; empty if it was not loaded here."""
    sources = sources_of(digest)
    return compact(dict(sources)) if sources else ""


_STORED_SOURCES: dict[str, tuple[str, Mapping[str, str]]] = {}


def sources_from(digest: str | None, text: str | None) -> Mapping[str, str]:
    """Return the sources that a rule set's row holds; the last text of each rule set is kept, parsed."""
    if not digest or not text:
        return NO_SOURCES
    known = _STORED_SOURCES.get(digest)
    if known is None or known[0] != text:
        known = _STORED_SOURCES[digest] = (text, json.loads(text))
    return known[1]
