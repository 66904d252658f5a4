"""The form of an alert's summary, which an integration chooses (spec 4)."""

from enum import StrEnum
from typing import Final

from wallarm_notify.domain.errors import Refused


class SummaryForm(StrEnum):
    """What the summary of an alert says: the original's words, what happened to what, or both."""

    ORIGINAL = "original"
    BRIEF = "brief"
    FULL = "full"


BEFORE: Final = SummaryForm.ORIGINAL
"""The form of integrations from before there was a choice: rules in PagerDuty match on its words."""


def parse_summary_form(text: str) -> SummaryForm:
    """Return the form that ``text`` names. Raise Refused with those that there are."""
    try:
        return SummaryForm(text)
    except ValueError:
        raise Refused(
            f"there is no «{text}»; permitted are {', '.join(SummaryForm)}.", field="summary"
        ) from None
