"""The filters of triggers: the values that each takes, and the fields that it matches (spec 3)."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from wallarm_notify.domain.roles import ROLE_NAMES, role_name
from wallarm_notify.domain.triggers.attack_types import ATTACK_TYPES, GROUP_OF, attack_name

LONGEST_VALUE: Final = 255

DEFAULT_APPLICATION: Final = -1
"""The id of the application of every event without one."""

FilterValue = int | str


class Operator(StrEnum):
    """How a filter's values are meant: any of them, or none of them."""

    EQ = "eq"
    NE = "ne"


# The values: how each is read, and the field of an event that it is compared with.


def _choice(*words: str) -> Callable[[object], FilterValue]:
    def read(value: object) -> FilterValue:
        word = value.strip().lower() if isinstance(value, str) else value
        if not isinstance(word, str) or word not in words:
            raise ValueError(f"permitted are {', '.join(words)}")
        return word

    return read


def _application(value: object) -> FilterValue:
    if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,19}\s*", value, re.ASCII):
        value = int(value)
    if type(value) is not int or not DEFAULT_APPLICATION <= value < 2**63:
        raise ValueError("give ids of applications, whole numbers; -1 is the default one")
    return value


def _specification(value: object) -> FilterValue:
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    word = _words(value)
    return int(word) if re.fullmatch(r"[1-9][0-9]{0,17}", str(word)) else word


def _address(value: object) -> FilterValue:
    address = _same_address(value) if isinstance(value, str) else None
    if address is None:
        raise ValueError("give single IP addresses, as 203.0.113.7; no networks, no ranges")
    return address


def _same_address(text: str) -> str | None:
    """Return ``text`` in the one form of its IP address, or None if it is none."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def _status(value: object) -> FilterValue:
    word = str(value).strip().lower() if type(value) in (int, str) else ""
    if re.fullmatch(r"[1-5]xx", word):
        return word
    if re.fullmatch(r"[1-5][0-9][0-9]", word):
        return int(word)
    raise ValueError("give status codes from 100 to 599, or classes of them from 1xx to 5xx")


def _words(value: object) -> FilterValue:
    if not isinstance(value, str) or not value.strip() or not value.strip().isprintable():
        raise ValueError("give a text")
    if len(value) > LONGEST_VALUE:
        raise ValueError(f"give at most {LONGEST_VALUE} characters")
    return value.strip()


_ROLE_IDS: Final = {name.casefold(): role for role, name in ROLE_NAMES.items()}


def _role(value: object) -> FilterValue:
    """Return a role, given by its id or by its display name."""
    word = str(_words(value))
    return _ROLE_IDS.get(word.casefold(), word)


def _host(value: object) -> FilterValue:
    word = _words(value)
    if not isinstance(word, str) or re.search(r"[\s/*]", word):
        raise ValueError("give whole hosts, as shop.example.com: no scheme, no path, no *")
    return word.lower()


@dataclass(frozen=True, slots=True)
class FilterKind:
    """A kind of filter: its display name, how a value is read, and what it finds in an event.

    ``read`` raises ValueError with what is permitted. ``found`` yields the values of an event in the form
    of ``key``; nothing if the field is absent. ``several``: the field is a list of values. ``choices`` are values to
    choose from, in the form in which they are stored; ``is_open``: there are others.
    """

    label: str
    read: Callable[[object], FilterValue]
    found: Callable[[Mapping[str, Any]], Iterable[FilterValue]]
    key: Callable[[FilterValue], FilterValue] = lambda value: value
    shown: Callable[[FilterValue], str] = str
    operators: tuple[Operator, ...] = (Operator.EQ,)
    several: bool = False
    choices: tuple[str, ...] = ()
    is_open: bool = True

    def found_words(self, body: Mapping[str, Any]) -> str:
        """Return what an event has for it as people read it: ``SQLi``, or ``none``."""
        found = list(self.found(body))
        shown = found if self.several else found[:1]  # what follows is another name of the first
        return ", ".join(map(self.shown, shown)) or "none"


def _field(name: str) -> Callable[[Mapping[str, Any]], Iterable[FilterValue]]:
    def found(body: Mapping[str, Any]) -> Iterable[FilterValue]:
        value = body.get(name)
        return () if value is None else (value.strip(),)

    return found


def _lowered(name: str) -> Callable[[Mapping[str, Any]], Iterable[FilterValue]]:
    def found(body: Mapping[str, Any]) -> Iterable[FilterValue]:
        value = body.get(name)
        return () if value is None else (value.strip().lower(),)

    return found


def _role_found(body: Mapping[str, Any]) -> Iterable[FilterValue]:
    return (body["user_role"].strip().casefold(),)


def _attack_found(body: Mapping[str, Any]) -> Iterable[FilterValue]:
    word = body["attack_type"].strip().lower()
    return (word, GROUP_OF[word]) if word in GROUP_OF else (word,)


def _application_found(body: Mapping[str, Any]) -> Iterable[FilterValue]:
    application = body.get("application_id")
    return (DEFAULT_APPLICATION if application is None else application,)


def _address_found(body: Mapping[str, Any]) -> Iterable[FilterValue]:
    text = body.get("ip")
    return () if text is None else (_same_address(text) or text,)


def _status_found(body: Mapping[str, Any]) -> Iterable[FilterValue]:
    status = body.get("response_status")
    return () if status is None else (status, f"{status // 100}xx")


def _sensitive_found(body: Mapping[str, Any]) -> Iterable[FilterValue]:
    return [word.strip().casefold() for word in body.get("sensitive_data") or ()]


def _specification_found(body: Mapping[str, Any]) -> Iterable[FilterValue]:
    given = body.get("specification_id")
    return () if given is None else (str(given).strip(),)


def _application_name(value: FilterValue) -> str:
    return "default" if value == DEFAULT_APPLICATION else str(value)


def _change_key(value: FilterValue) -> FilterValue:
    return "unused" if value == "excluded" else value


_TARGETS: Final = ("server", "client", "database")
_CHANGES: Final = ("added", "changed", "excluded")
_ROGUES: Final = ("shadow", "zombie", "orphan")
_EITHER: Final = (Operator.EQ, Operator.NE)

FILTERS: Final[Mapping[str, FilterKind]] = {
    "attack_type": FilterKind(
        "Attack type",
        _choice(*ATTACK_TYPES),
        _attack_found,
        shown=attack_name,
        operators=_EITHER,
        choices=ATTACK_TYPES,
        is_open=False,
    ),
    "pool": FilterKind(
        "Application",
        _application,
        _application_found,
        shown=_application_name,
        operators=_EITHER,
    ),
    "ip_address": FilterKind("IP address", _address, _address_found, operators=_EITHER),
    "domain": FilterKind("Domain", _host, _lowered("host"), operators=_EITHER),
    "response_status": FilterKind(
        "Response status",
        _status,
        _status_found,
        operators=_EITHER,
        choices=("1xx", "2xx", "3xx", "4xx", "5xx"),
    ),
    "target": FilterKind(
        "Target",
        _choice(*_TARGETS),
        _field("target"),
        operators=_EITHER,
        choices=_TARGETS,
        is_open=False,
    ),
    "change_type": FilterKind(
        "Change type",
        _choice(*_CHANGES),
        _field("change_type"),
        key=_change_key,
        shown=lambda value: str(_change_key(value)),
        choices=_CHANGES,
        is_open=False,
    ),
    "pii": FilterKind(
        "Sensitive data",
        _words,
        _sensitive_found,
        key=lambda value: str(value).casefold(),
        several=True,
    ),
    "deviation_type": FilterKind(
        "Type of rogue API",
        _choice(*_ROGUES),
        _field("kind"),
        choices=_ROGUES,
        is_open=False,
    ),
    "api_spec_ids": FilterKind("Specification", _specification, _specification_found, key=str),
    "user_role": FilterKind(
        "User role",
        _role,
        _role_found,
        key=lambda value: str(value).casefold(),
        shown=lambda value: role_name(str(value)),
        choices=tuple(map(str, ROLE_NAMES)),
    ),
}
