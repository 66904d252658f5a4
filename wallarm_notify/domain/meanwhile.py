"""What somebody else changed while a form was open: whoever saves later is told, and overwrites nothing unseen."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from wallarm_notify.domain.errors import Refused

_SWITCHED: Final = frozenset({"enabled", "disabled_reason", "disabled_until"})
"""No form of settings has these: a switch of somebody else is no reason to refuse one."""

_LABELS: Final = {
    "integration_ids": "integrations",
    "group": "which alerts are one",
    "key": "Integration Key",
}
"""What fields are called on forms, where that is another word."""

_LETTERS: Final = 12
"""So many letters of a digest tell two values apart: whoever forges one overwrites what the right allows anyway."""


class ChangedMeanwhile(Refused):
    """Somebody else changed what is to be saved, after it was shown."""


def marks_of(settings: Mapping[str, object]) -> str:
    """Return a short text by which ``check_unchanged`` knows these settings again: ``name=5f3a… region=01c2…``."""
    return " ".join(
        f"{name}={_digest(value)}" for name, value in settings.items() if name not in _SWITCHED
    )


def check_unchanged(marks: str | None, settings: Mapping[str, object]) -> None:
    """Raise ChangedMeanwhile where ``settings`` are others than those that ``marks`` were made of; None: any may be."""
    if marks is None:
        return
    shown = set(marks.split())
    changed = [one.partition("=")[0] for one in marks_of(settings).split() if one not in shown]
    if changed:
        raise ChangedMeanwhile(
            f"Since this form was opened somebody changed: {', '.join(map(_words, changed))}. "
            "What you entered is kept; saving it now overwrites that."
        )


def _words(name: str) -> str:
    return _LABELS.get(name, name)


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return sha256(text.encode()).hexdigest()[:_LETTERS]
