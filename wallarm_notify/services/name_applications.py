"""Name applications: alerts of events that have only an application's number show its client's name for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wallarm_notify.domain.sending import Payload
    from wallarm_notify.store import Transaction


def name_applications(tx: Transaction, payloads: Sequence[Payload]) -> list[Payload]:
    """Return ``payloads`` with the names of the applications that their alerts would show by number.

    One query reads all of them; there is none where no alert shows a number.
    """
    wanted = [one.numbered_application for one in payloads]
    numbered = {place for place in wanted if place is not None}
    names = tx.application_names(numbered) if numbered else {}
    return [
        one if place is None else replace(one, application_name=names.get(place))
        for one, place in zip(payloads, wanted, strict=True)
    ]
