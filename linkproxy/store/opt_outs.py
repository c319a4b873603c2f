"""Which visits opt somebody out."""

from __future__ import annotations

from linkproxy.model import NOBODY, AnswerKind, Judged, Unsubscribe

_UNSUBSCRIBED = AnswerKind.UNSUBSCRIBED  # asked of every visit, and looking a member up takes longer


def opt_out_of(judged: Judged) -> Unsubscribe | None:
    """Return the opt-out of a visit that asks for one; unverified references never do."""
    visit, recipient = judged.visit, judged.recipient
    if judged.answer.kind is not _UNSUBSCRIBED or recipient is None or recipient.id == NOBODY:
        return None
    if not (visit.verified and recipient.verified):
        return None
    return Unsubscribe(visit.at, visit.campaign_id, recipient.id, one_click=visit.one_click)
