"""The request by itself: method, agent, headers."""

from __future__ import annotations

from dataclasses import replace

from linkproxy.model import Family, ZoneRole
from linkproxy.visit import agents
from linkproxy.visit.intake import TLS_FINGERPRINT
from linkproxy.visit.signals.headers import (
    comes_from_a_page,
    contradictions,
    is_coherent,
    is_disguised,
    is_past_caches,
    is_textual,
    names_operator,
    reads_pages,
    sends_fetch_metadata,
)
from linkproxy.visit.signals.table import Finding, Look, Signal

CLICK_METHODS = frozenset({"GET", "POST"})
SPECULATION_HEADERS = ("sec-purpose", "purpose", "x-purpose", "x-moz")
SPECULATION_WORDS = ("prefetch", "prerender", "preview")


def _head(look: Look) -> Finding | None:
    return Finding(look.rule.weight) if look.visit.method == "HEAD" else None


def _method(look: Look) -> Finding | None:
    method = look.visit.method
    if method in CLICK_METHODS or method == "HEAD":
        return None
    return Finding(look.rule.weight, method)


def _office_precheck(look: Look) -> Finding | None:
    agent = look.visit.profile.agent
    if agent and agents.matches(agent, look.policy.agents["office"]):
        return Finding(look.rule.weight, agent[:80])
    return None


def _speculation(look: Look) -> Finding | None:
    for name in SPECULATION_HEADERS:
        value = (look.visit.profile.get(name) or "").lower()
        if any(word in value for word in SPECULATION_WORDS):
            return Finding(look.rule.weight, f"{name}: {value}")
    return None


def _previewer(look: Look) -> Finding | None:
    agent = look.visit.profile.agent
    pattern = agents.crawler(agent, look.policy) if agent else ""
    return Finding(look.rule.weight, pattern) if pattern else None


def _program(look: Look) -> Finding | None:
    profile, policy = look.visit.profile, look.policy
    agent = profile.agent
    if not agent:
        return None
    # What asks for pages in a language shows them to somebody, whatever it is called.
    if agents.program(agent, policy) or not (agents.is_browser(agent, policy) or reads_pages(profile)):
        return Finding(look.rule.weight, agent[:80])
    return None


def _robot_word(look: Look) -> Finding | None:
    profile = look.visit.profile
    # Who drives a browser under another agent seldom thinks of its client hints.
    for text in (profile.agent, profile.get("sec-ch-ua")):
        word = agents.robot_word(text, look.policy) if text else ""
        if word:
            return Finding(look.rule.weight, word)
    operator = names_operator(profile)
    return Finding(look.rule.weight, operator) if operator else None


def _unknown_product(look: Look) -> Finding | None:
    agent = look.visit.profile.agent
    product = agents.unknown_product(agent, look.policy) if agent else ""
    return Finding(look.rule.weight, product) if product else None


def _sparse(look: Look) -> Finding | None:
    """Speak of bare requests, also under a browser's name: who borrows one is no more of a browser.

    Text browsers and old telephones that are known by name ask for whatever they like.
    """
    profile = look.visit.profile
    if not profile.complete or agents.matches(profile.agent or "", look.policy.agents["browsers"]):
        return None
    missing = [
        what
        for what, there in (
            ("page", "text/html" in (profile.get("accept") or "")),
            ("language", profile.get("accept-language")),
            ("compression", profile.get("accept-encoding")),
        )
        if not there
    ]
    weights = look.rule.values["weights"]
    return Finding(weights[len(missing) - 1], f"asks for no {', no '.join(missing)}") if missing else None


def _native_host(look: Look) -> Finding | None:
    host = _host_of(look)
    return Finding(look.rule.weight, host) if host else None


def _host_of(look: Look) -> str:
    """Return the program that fetches by a browser's engine, "" for none."""
    profile = look.visit.profile
    return profile.get("x-native-host") or ("OneOutlook" if "OneOutlook/" in (profile.agent or "") else "")


def _cache_off(look: Look) -> Finding | None:
    """Speak of a navigation that must not be answered from any cache, as of a browser that is steered.

    WebViews are left out, since apps choose so for the pages that they show, and networks that carry
    people, since some of them show pages in a browser of their own.
    """
    profile, zone = look.visit.profile, look.facts.zone
    if not is_past_caches(profile) or (zone is not None and zone.role is ZoneRole.PEOPLE):
        return None
    return Finding(look.rule.weight, "Cache-Control and Pragma say no-cache")


def _text_browser(look: Look) -> Finding | None:
    profile = look.visit.profile
    agent = profile.agent or ""
    if not agent or agent.startswith("Mozilla/") or _is_robots(agent, look):
        return None
    pages, listed = reads_pages(profile), agents.matches(agent, look.policy.agents["browsers"])
    if not pages and not (listed and profile.get("accept-language")):
        return None
    weight = look.rule.weight if pages and listed else look.rule.values["unlisted_weight"]
    return Finding(weight, agent[:40])


def _is_robots(agent: str, look: Look) -> bool:
    """Return whether an agent says itself, or is listed, that no reader is behind it."""
    policy = look.policy
    return bool(
        agents.robot_word(agent, policy) or agents.program(agent, policy) or agents.crawler(agent, policy)
    )


def _agent_empty(look: Look) -> Finding | None:
    agent = look.visit.profile.agent
    return Finding(look.rule.weight) if agent is not None and not agent.strip() else None


def _platform_dead(look: Look) -> Finding | None:
    agent = look.visit.profile.agent
    if agent and agents.matches(agent, look.policy.agents["dead_platforms"]):
        return Finding(look.rule.weight, agent[:80])
    return None


def _engine_dead(look: Look) -> Finding | None:
    agent = look.visit.profile.agent or ""
    found, years = agents.engine(agent), agents.years_old(agent, look.visit.at, look.policy)
    low, high = look.rule.values["min_years"], look.rule.values["max_years"]
    share = min(1.0, (years - low) / (high - low))
    if share <= 0:
        return None
    return Finding(round(look.rule.weight * share, 1), f"{found.name} {found.major}, {years:.1f} years old")


def _http_1_0(look: Look) -> Finding | None:
    if look.visit.http_version not in {"1.0", "0.9"} or is_textual(look.visit):
        return None
    return Finding(look.rule.weight)


def _contradiction(look: Look) -> Finding | None:
    found = contradictions(look.visit)
    if not found:
        return None
    shares = look.rule.values["shares"]
    # What takes headers away, or changes them for everybody, does not make two of them disagree.
    share = shares[-1] if is_disguised(look.visit) else shares[min(len(found), len(shares)) - 1]
    return Finding(round(look.rule.weight * share, 1), "; ".join(found))


def _coherent(look: Look) -> Finding | None:
    if not is_coherent(look.visit):
        return None
    profile, values = look.visit.profile, look.rule.values
    agent = profile.agent or ""
    if any(own(agent, look.policy) for own in (agents.robot_word, agents.unknown_product, agents.program)):
        return None
    if _host_of(look) or names_operator(profile) or is_past_caches(profile):
        return None
    engine = agents.engine(agent)
    if not sends_fetch_metadata(engine) and agents.is_dead(agent, look.visit.at, look.policy):
        return None  # of so old a browser's headers there is hardly one that could be missing
    weights = [look.rule.weight if look.visit.secure else values["plain_weight"]]
    if not agents.driven(agent):
        weights.append(values["undriven_weight"])
    if comes_from_a_page(profile):
        weights.append(values["from_page_weight"])
    # Apps on iOS show pages with Apple's engine and do not say which one.
    return Finding(min(weights), f"{engine.name} {engine.major}" if engine.major else engine.name)


def _tls_fingerprint(look: Look) -> Finding | None:
    said = look.visit.profile.get(TLS_FINGERPRINT)
    zone, engine = look.facts.zone, agents.engine(look.visit.profile.agent or "")
    if not said or not engine.name or (zone is not None and zone.role is ZoneRole.PEOPLE):
        return None
    never = (*look.policy.fingerprints["any"], *look.policy.fingerprints[engine.name])
    return Finding(look.rule.weight, f"{engine.name} with {said}") if agents.matches(said, never) else None


_ALL = (
    Signal("request.head", Family.REQUEST, _head),
    Signal("request.method", Family.REQUEST, _method),
    Signal("request.office-precheck", Family.REQUEST, _office_precheck),
    Signal("request.speculation", Family.REQUEST, _speculation),
    Signal("request.previewer", Family.REQUEST, _previewer),
    Signal("request.program", Family.REQUEST, _program),
    Signal("request.robot-word", Family.REQUEST, _robot_word),
    Signal("request.unknown-product", Family.REQUEST, _unknown_product),
    Signal("request.sparse", Family.REQUEST, _sparse),
    Signal("request.native-host", Family.REQUEST, _native_host),
    Signal("request.text-browser", Family.REQUEST, _text_browser),
    Signal("request.agent-empty", Family.REQUEST, _agent_empty),
    Signal("request.platform-dead", Family.REQUEST, _platform_dead),
    Signal("request.engine-dead", Family.REQUEST, _engine_dead),
    Signal("request.http-1.0", Family.REQUEST, _http_1_0),
    Signal("request.contradiction", Family.REQUEST, _contradiction),
    Signal("request.coherent", Family.REQUEST, _coherent),
)

SIGNALS = (
    *(replace(signal, of_request=True) for signal in _ALL),
    Signal("request.tls-fingerprint", Family.REQUEST, _tls_fingerprint),
    Signal("request.cache-off", Family.REQUEST, _cache_off),
)
