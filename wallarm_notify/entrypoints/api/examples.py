"""Examples of calls: what is asked, and what is answered, served or not.

Each module of calls has its examples beside it, as JSON. A test makes each request of them to the real application.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from wallarm_notify.entrypoints.api.route import CheckedRoute

SERVED: Final = "served"
"""The name of the first example of each call; others are called by what keeps them from being served."""


@dataclass(frozen=True, slots=True)
class Example:
    """A request, and the ``answer`` to it with its ``status``; None: it was not made yet.

    ``path``, ``query`` and ``headers`` have values by the names of the description.
    """

    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    status: int | None = None
    answer: Any = None

    @property
    def request(self) -> str:
        """What is asked, beside the call, as JSON in one line."""
        parts = {
            "path": self.path,
            "query": self.query,
            "headers": self.headers,
            "body": self.body,
        }
        return json.dumps({name: one for name, one in parts.items() if one not in (None, {})})


def file_of(route: CheckedRoute) -> Path:
    """Return the file that the examples of a route's module are in."""
    path = sys.modules[route.endpoint.__module__].__file__ or ""
    return Path(path).with_suffix(".json")


def examples_of(route: CheckedRoute, method: str) -> dict[str, Example]:
    """Return the examples of a call by their names; of one that has none, none."""
    found = _read(file_of(route)).get(f"{method} {route.path}", {})
    return {kind: Example(**one) for kind, one in found.items()}


@cache
def _read(file: Path) -> dict[str, dict[str, dict[str, Any]]]:
    if not file.exists():
        return {}
    read: dict[str, dict[str, dict[str, Any]]] = json.loads(file.read_text(encoding="utf-8"))
    return read
