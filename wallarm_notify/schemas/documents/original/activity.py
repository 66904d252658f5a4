"""The activity log as Wallarm's own API shows it, on both of its paths."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from typing_extensions import TypedDict

from wallarm_notify.domain.activity import Action, Activity, Change, ObjectType
from wallarm_notify.domain.actor import Source
from wallarm_notify.schemas.documents.original.times import seconds_of, text_of

ACTIONS: Final[Mapping[str, Action]] = {
    "create": Action.CREATED,
    "update": Action.UPDATED,
    "enable": Action.ENABLED,
    "disable": Action.DISABLED,
    "delete": Action.DELETED,
    "replay": Action.REPLAYED,
    "cancel": Action.CANCELLED,
    "resubmit": Action.RESUBMITTED,
    "rotate": Action.ROTATED,
    "renew": Action.RENEWED,
}
"""What was done, by the word for it."""

SOURCES: Final[Mapping[str, frozenset[Source]]] = {
    "unknown": frozenset({Source.COMMAND_LINE, Source.BEAT}),
    "ui_page": frozenset({Source.CONSOLE}),
    "node": frozenset(),
    "api_token": frozenset({Source.API}),
}
"""By which way it was done, by the word for it."""

SUCCESS: Final = "success"
OUTCOMES: Final = (SUCCESS, "failure")
"""What the log has is what was done; attempts that failed are not in it."""

AUDITED: Final[Mapping[ObjectType, str]] = {
    ObjectType.INTEGRATION: "integration",
    ObjectType.TRIGGER: "triggers.trigger",
    ObjectType.CLIENT: "client",
    ObjectType.USER: "user",
    ObjectType.APPLICATION: "pool",
}
"""The words of the older path. Its clients know no others, and fail at one that they do not know."""

AUDITED_ACTIONS: Final[Mapping[Action, str]] = {
    Action.CREATED: "create",
    Action.UPDATED: "update",
    Action.ENABLED: "update",
    Action.DISABLED: "update",
    Action.DELETED: "delete",
}

_WORDS: Final = {action: word for word, action in ACTIONS.items()}
_SOURCE_WORDS: Final = {source: word for word, sources in SOURCES.items() for source in sources}


class ChoiceDocument(TypedDict):
    """A word that can be chosen, with what people read."""

    label: str
    """What people read."""
    value: str
    """The word."""


class ActivityFiltersBody(TypedDict):
    """What the activity log can be searched by."""

    object_types: list[ChoiceDocument]
    """What something was done to."""
    action_types: list[ChoiceDocument]
    """What was done."""
    outcomes: list[str]
    """How it ended."""
    sources: list[str]
    """By which way in."""


class ActivityFiltersAnswer(TypedDict):
    """What the activity log can be searched by."""

    body: ActivityFiltersBody
    """It."""


class ActivityBody(TypedDict):
    """Lines of the activity log."""

    objects: list[dict[str, Any]]
    """Them."""


class ActivityAnswer(TypedDict):
    """Lines of the activity log."""

    body: ActivityBody
    """Them."""


def activity_filters_answer(object_types: Collection[ObjectType]) -> ActivityFiltersAnswer:
    """Return the answer with what the activity log can be searched by; ``object_types`` are those that are seen."""
    return {
        "body": {
            "object_types": [_choice(one) for one in ObjectType if one in object_types],
            "action_types": [_choice(one) for one in ACTIONS],
            "outcomes": list(OUTCOMES),
            "sources": list(SOURCES),
        }
    }


def activity_answer(lines: Iterable[Activity]) -> ActivityAnswer:
    """Return the answer with lines of the activity log."""
    return {"body": {"objects": [_line(one) for one in lines]}}


def audit_answer(lines: Iterable[Activity]) -> ActivityAnswer:
    """Return the answer of the older path. Without ``continuation``: its clients fail at null for a text."""
    return {"body": {"objects": [_audited(one) for one in lines]}}


def _choice(word: str) -> ChoiceDocument:
    return {"label": _label(word), "value": str(word)}


def _label(word: str) -> str:
    return str(word).replace("_", " ").capitalize()


def _line(line: Activity) -> dict[str, Any]:
    change = line.change
    fields = sorted({*change.before, *change.after})
    return {
        "id": line.id,
        "time": seconds_of(line.at),
        "action_type": _label(_WORDS[change.action]),
        "object_type": _label(change.object_type),
        "object_type_info": _choice(change.object_type),
        "outcome": SUCCESS,
        "source": _SOURCE_WORDS[line.actor.source],
        "client_id": change.client_id or 0,
        "initiator": {"id": line.actor.user_id or 0, "client_id": 0, "name": line.actor.name},
        "object_id": _number(change),
        "object": {"name": _name(change), "info": ""},
        "description": "",
        "changed_fields": fields,
        "diff": {
            name: {"old": change.before.get(name), "new": change.after.get(name)} for name in fields
        },
        "state_before_action": change.before,
        "state_after_action": change.after,
    }


def _audited(line: Activity) -> dict[str, Any]:
    change = line.change
    return {
        "action": AUDITED_ACTIONS[change.action],
        "diff": {"before": change.before, "after": change.after},
        "entity": {"name": _name(change)},
        "subject_id": line.actor.name,
        "subject_clientid": 0,
        "object_type": AUDITED[change.object_type],
        "object_userid": line.actor.user_id or 0,
        "object_clientid": change.client_id or 0,
        "time": text_of(line.at),
        "realid": _number(change),
    }


def _number(change: Change) -> str:
    return "" if change.object_id is None else str(change.object_id)


def _name(change: Change) -> str:
    """Return what the object is called, where the line has it."""
    return str(change.after.get("name") or change.before.get("name") or "")
