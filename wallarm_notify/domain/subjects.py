"""What an event is about: the values by which people know it (spec 2)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from wallarm_notify.domain.event import Event


@dataclass(frozen=True, slots=True)
class SubjectField:
    """A field by which people know an event; ``label`` stands before its value in words.

    ``folded``: its case says nothing. ``sought`` is false where it is shown, and too common to be looked for.
    """

    name: str
    label: str = ""
    folded: bool = False
    sought: bool = True


@dataclass(frozen=True, slots=True)
class Subject:
    """A value of an event by which people know it."""

    field: SubjectField
    text: str

    @property
    def words(self) -> str:
        """The value after the field's label."""
        return f"{self.field.label} {self.text}".strip()

    def is_named_by(self, sought: str) -> bool:
        """Return whether ``sought`` is the value: exactly, or but for the case of hosts and e-mail addresses."""
        if not self.field.sought:
            return False
        if self.field.name == "ip":
            return _address(self.text) == _address(sought)
        if self.field.folded:
            return self.text.lower() == sought.lower()
        return self.text == sought


_HOST: Final = SubjectField("host", folded=True)
_IP: Final = SubjectField("ip")
_PATH: Final = SubjectField("path")
_METHOD: Final = SubjectField("method", sought=False)
_KIND_OF_ATTACK: Final = SubjectField("attack_type", sought=False)
_USER: Final = (SubjectField("user_email", folded=True), SubjectField("user_name"))
_TRAFFIC: Final = (_KIND_OF_ATTACK, _IP, _HOST)

_BY_NOUN: Final[Mapping[str, tuple[SubjectField, ...]]] = {
    "user": _USER,
    "integration": (
        SubjectField("integration_name"),
        SubjectField("integration_id", "integration"),
    ),
    "application": (
        SubjectField("application_name"),
        SubjectField("previous_name", "before:"),
        SubjectField("application_id", "application"),
    ),
    "specification": (
        SubjectField("specification_title"),
        SubjectField("specification_id", "specification"),
    ),
    "rule": (SubjectField("name"), SubjectField("rule_id", "rule")),
    "trigger": (SubjectField("name"), SubjectField("trigger_id", "trigger")),
    "security_issue": (SubjectField("title"), _HOST, _PATH, SubjectField("issue_id", "issue")),
    "attack": (*_TRAFFIC, SubjectField("attack_id", "attack")),
    "hit": (*_TRAFFIC, SubjectField("hit_id", "hit")),
    "incident": (
        *_TRAFFIC,
        SubjectField("incident_id", "incident"),
        SubjectField("issue_id", "issue"),
    ),
    "api": (_METHOD, _HOST, _PATH),
    "ip": (_IP, SubjectField("reason", sought=False)),
    "rogue_api": (
        _METHOD,
        _HOST,
        _PATH,
        SubjectField("specification_title"),
        SubjectField("specification_id", "specification"),
    ),
}
"""The fields of each kind of event, by the first part of its type."""

_ACTOR: Final = (
    SubjectField("email", "by", folded=True),
    SubjectField("name", "by"),
    SubjectField("id", "by"),
)
"""Those of who did it, of which the first that is known is shown."""

FIELDS: Final = sorted({f.name for fields in _BY_NOUN.values() for f in fields} | {"actor"})
"""The names of all fields of an event that this module reads."""


def fields_of(event_type: str) -> tuple[SubjectField, ...]:
    """Return the fields by which people know events of a type."""
    return _BY_NOUN[event_type.partition(".")[0]]


def subjects_of(event: Event) -> list[Subject]:
    """Return the values by which people know ``event``, in the order of its words; who did it comes last."""
    of_event = list(_values(event.body, fields_of(event.type)))
    actor = event.body.get("actor")
    return [*of_event, *(_values(actor, _ACTOR) if isinstance(actor, dict) else ())]


def is_about(event: Event, sought: str) -> bool:
    """Return whether ``sought`` is a value by which people know ``event``."""
    return any(subject.is_named_by(sought) for subject in subjects_of(event))


def words_of(event: Event) -> str:
    """Return what ``event`` is about in a few words, as ``SQL injection, shop.example.com, issue 7``."""
    subjects = subjects_of(event)
    actor = next((s for s in subjects if s.field in _ACTOR), None)
    shown = [s.words for s in subjects if s.field not in _ACTOR]
    return ", ".join([*shown, *([] if actor is None else [actor.words])])


def _values(body: Mapping[str, Any], fields: tuple[SubjectField, ...]) -> Iterator[Subject]:
    for field in fields:
        value = body.get(field.name)
        if isinstance(value, str | int) and str(value):
            yield Subject(field, str(value))


def is_address(text: str) -> bool:
    """Return whether ``text`` is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _address(text: str) -> str:
    """Return an IP address in its one form; what is none stays as it is."""
    if not is_address(text):
        return text
    address = ip_address(text)
    return str(getattr(address, "ipv4_mapped", None) or address)
