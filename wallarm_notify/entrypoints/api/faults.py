"""Faults: what is answered to a request that cannot be served, for every error in one place.

Nothing of what was sent is repeated: it may be a key, wherever it stands.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from wallarm_notify.domain.errors import (
    BadRow,
    Forbidden,
    NotAuthenticated,
    NotFound,
    NotifyError,
    Refused,
    Todo,
    TooManyFailures,
    TooMuch,
)

log = logging.getLogger(__name__)

AGAIN_SECONDS: Final = 2
"""After so long it is worth trying again, where nothing better is known."""

HIDDEN: Final = "…"
"""What stands in place of what was sent."""

HINTS: Final = {
    Todo.ENABLE_INTEGRATION: "enable it first: POST /notify/v1/integrations/{about}/enable",
    Todo.SEE_REJECTED: "see: GET /notify/v1/rejected-events",
    Todo.SEE_UNDECODABLE: "see: GET /notify/v1/undecodable-messages",
    Todo.SEE_SET_ASIDE: "one that a worker has stored meanwhile is there no more.",
    Todo.GIVE_WHOLE_EVENT: "give the whole event.",
    Todo.GIVE_WHOLE_MESSAGE: "give the whole message.",
    Todo.MEND: "give it mended.",
}
"""How this way in says what to do after a refusal."""

_QUOTED: Final = re.compile(r"«([^»]*)»")
_OURS: Final = frozenset({"Events API v2", "Use our API directly"})
"""What our sentences quote without having been sent it."""

_KEY: Final = re.compile(r"(?<![A-Za-z0-9])(?:[A-Za-z0-9]{32}|[A-Za-z0-9+/]{64})(?![A-Za-z0-9])")
_FIELD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_LONG_WORD: Final = 20

_WORDS: Final = {
    "missing": "is missing.",
    "extra_forbidden": "is no field of this call.",
    "string_type": "must be a text.",
    "string_unicode": "must be a text of whole Unicode characters.",
    "string_pattern_mismatch": "has not the form that is asked for.",
    "int_type": "must be a whole number.",
    "int_parsing": "must be a whole number.",
    "int_parsing_size": "is too large.",
    "int_from_float": "must be a whole number.",
    "float_type": "must be a number.",
    "bool_type": "must be true or false.",
    "bool_parsing": "must be true or false.",
    "list_type": "must be a list.",
    "dict_type": "must be an object.",
    "model_type": "must be an object.",
    "model_attributes_type": "must be an object.",
    "uuid_type": "must be a UUID.",
    "uuid_parsing": "must be a UUID.",
    "datetime_type": "must be a time with its zone, as 2026-03-01T09:30:00Z.",
    "datetime_parsing": "must be a time with its zone, as 2026-03-01T09:30:00Z.",
    "datetime_from_date_parsing": "must be a time with its zone, as 2026-03-01T09:30:00Z.",
    "datetime_object_invalid": "must be a time with its zone, as 2026-03-01T09:30:00Z.",
    "timezone_aware": "must be a time with its zone, as 2026-03-01T09:30:00Z.",
}
"""The sentence for each kind of pydantic's errors; without a value, as all others have their own below."""

_WITH_LIMITS: Final = {
    "greater_than_equal": "must be at least {ge}.",
    "less_than_equal": "must be at most {le}.",
    "too_short": "must have at least {min_length}.",
    "too_long": "must have at most {max_length}.",
    "string_too_short": "must have at least {min_length} characters.",
    "string_too_long": "must have at most {max_length} characters.",
    "enum": "must be one of {expected}.",
    "literal_error": "must be one of {expected}.",
}
"""The sentences that name what is permitted, which is ours."""


_TITLES: Final = {
    400: ("bad_request", "Bad request"),
    401: ("not_authenticated", "Not authenticated"),
    403: ("forbidden", "Forbidden"),
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "Method not allowed"),
    408: ("too_slow", "Too slow"),
    413: ("too_large", "Too large"),
    415: ("not_json", "Not JSON"),
    429: ("too_many_requests", "Too many requests"),
    500: ("failed", "Failed"),
    503: ("unavailable", "Unavailable"),
}
"""The word and the title of each status: Python's own change from version to version."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is answered: the HTTP status, a word for programs, and sentences for people.

    ``fields`` has a sentence for each field that is at fault.
    ``about`` is what was not found and its number. ``retry_after``: seconds after which trying again may help.
    ``more`` is what programs need beside the sentences.
    """

    status: int
    word: str
    sentence: str
    fields: Mapping[str, str] = field(default_factory=dict)
    about: tuple[str, int] | None = None
    retry_after: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What kind of fault it is, in words."""
        return _TITLES[self.status][1]


class BadBody(Exception):
    """A body that is not read; the sentence repeats nothing of it."""

    fields: Mapping[str, str] = {}

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status

    @property
    def word(self) -> str:
        """The word of this problem."""
        return _word_of(self.status)


class WrongFields(BadBody):
    """A body with wrong fields; ``fields`` has a sentence for each, which repeats nothing of it."""

    @property
    def word(self) -> str:
        """The word of this problem."""
        return "invalid"

    def __init__(self, fields: Mapping[str, str], sentence: str) -> None:
        super().__init__(400, sentence)
        self.fields = fields


class Overload(Exception):
    """There is no room for a request now: it may come again ``after`` so many seconds.

    ``more`` is what programs need for that.
    """

    def __init__(
        self, status: int, sentence: str, *, after: int, more: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.after = after
        self.more = more or {}


def fault_of(error: NotifyError | BadBody | Overload, hints: Mapping[Todo, str] = HINTS) -> Fault:
    """Return what is answered to a request that ended with ``error``; ``hints`` say what to do."""
    match error:
        case BadBody():
            fault = Fault(error.status, error.word, str(error), error.fields)
        case Overload():
            word = _word_of(error.status)
            fault = Fault(error.status, word, str(error), retry_after=error.after, more=error.more)
        case NotAuthenticated():
            fault = Fault(401, "not_authenticated", str(error))
        case TooManyFailures():
            fault = Fault(429, "too_many_failures", str(error), retry_after=error.seconds)
        case Forbidden():
            fault = Fault(403, "forbidden", str(error))
        case NotFound():
            fault = replace(_refusal(error, 404, "not_found", hints), about=error.about)
        case Refused():
            fault = _refusal(error, 400, "refused", hints)
        case BadRow():
            fault = Fault(400, "refused", "What was sent cannot be stored.")
        case TooMuch():
            sentence = "It took the database too long; ask for less, or try again."
            fault = Fault(503, "too_much", sentence, retry_after=AGAIN_SECONDS)
        case _:
            sentence = "This cannot be done now; try again in a moment."
            fault = Fault(503, "unavailable", sentence, retry_after=AGAIN_SECONDS)
    return fault


def fault_of_input(errors: Sequence[Mapping[str, Any]]) -> Fault:
    """Return what is answered to a request whose fields are wrong, as pydantic found them."""
    fields: dict[str, str] = {}
    for one in errors:
        fields.setdefault(_place_of(one["loc"]), _sentence_of(one))
    return Fault(
        400, "invalid", " ".join(f"{name} {sentence}" for name, sentence in fields.items()), fields
    )


def fault_of_status(status: int) -> Fault:
    """Return what is answered where the framework itself has no other answer."""
    sentences = {
        404: "There is no such call.",
        405: "This call is made with another method.",
    }
    known = status if status in _TITLES else 400
    return Fault(known, _word_of(known), sentences.get(known, f"{_TITLES[known][1]}."))


CRASH: Final = Fault(
    500, "failed", "This went wrong here, and was logged; it is no fault of the request."
)


def without_input(sentence: str) -> str:
    """Return one of our sentences without what it quotes of the request, and without what may be a key."""
    hidden = _QUOTED.sub(lambda m: m[0] if m[1] in _OURS else f"«{HIDDEN}»", sentence)
    return _KEY.sub(HIDDEN, hidden)


def safe_name(name: object) -> str:
    """Return the name of a field as it was sent, or a mark where it may be a key."""
    if isinstance(name, int):
        return str(name)
    text = str(name)
    is_word = _FIELD.fullmatch(text) and not (len(text) >= _LONG_WORD and re.search("[0-9]", text))
    return text if is_word else HIDDEN


def _refusal(error: Refused, status: int, word: str, hints: Mapping[Todo, str]) -> Fault:
    sentence = without_input(error.sentence)
    if error.hint is not None:
        hint = hints[error.hint.todo].format(about=error.hint.about)
        sentence = f"{sentence.removesuffix('.')}; {hint}"
    if error.field is None:
        return Fault(status, word, sentence)
    return Fault(status, word, f"{error.field}: {sentence}", {error.field: sentence})


def _word_of(status: int) -> str:
    return _TITLES[status][0]


def _place_of(location: Sequence[int | str]) -> str:
    """Return a field's place as ``filters.0.values``, without where in the request it stands."""
    named = [safe_name(one) for one in location[1:]]
    return ".".join(named) or "body"


def _sentence_of(error: Mapping[str, Any]) -> str:
    kind = error["type"]
    if kind in _WITH_LIMITS:
        return _WITH_LIMITS[kind].format_map(error.get("ctx", {}))
    return _WORDS.get(kind, "is not what is asked for.")


def log_trouble(error: NotifyError | BadBody | Overload, fault: Fault) -> None:
    """Log our own trouble, in all its words, for which a request was not served."""
    if (
        isinstance(error, NotifyError)
        and not isinstance(error, Refused)
        and fault.status not in (401, 403, 429)
    ):
        log.warning(
            "api.not_now", extra={"status": fault.status, "error": without_input(str(error))}
        )
