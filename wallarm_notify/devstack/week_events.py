"""Events as customers' accounts have them: titles, hosts and addresses for a week that is made up."""

import random
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import Event, Rejection
from wallarm_notify.schemas.read import read_event

_TITLES: Final = {
    "critical": (
        ("SQL injection in the search of orders", "POST", "/api/orders/search", "SQLi"),
        ("Remote code execution in the upload of templates", "PUT", "/admin/templates", "RCE"),
        ("Broken authentication of password resets", "POST", "/api/password/reset", "Auth"),
    ),
    "high": (
        ("Server-side request forgery in the import of images", "POST", "/api/images", "SSRF"),
        ("Path traversal in downloads", "GET", "/files/download", "Path traversal"),
        ("Stored cross-site scripting in reviews", "POST", "/reviews", "XSS"),
    ),
    "medium": (
        ("Vulnerable version of nginx: 1.14.2", "GET", "/", "Vulnerable component"),
        ("Directory listing is on", "GET", "/static/", "Misconfiguration"),
    ),
    "low": (
        ("Cookie without the Secure attribute", "GET", "/", "Misconfiguration"),
        ("Missing header X-Frame-Options", "GET", "/account", "Misconfiguration"),
    ),
    "info": (("Version of the web server is shown", "GET", "/", "Information exposure"),),
}

_PATHS: Final = ("/login", "/api/orders/search", "/checkout", "/api/users", "/reviews", "/search")

_RULES: Final = (
    ("Virtual patch for /login", "vpatch"),
    ("Mask the card number", "sensitive_data"),
    ("Rate limit of /api/orders", "rate_limit"),
    ("Block admin from outside", "wallarm_mode"),
)

_FREE: Final = {
    *("title", "host", "path", "url", "parameter", "name", "user_name", "user_email", "reason"),
    *("application_name", "specification_title", "error"),
}
"""Fields whose text the producer is free to choose."""

_PEOPLE: Final = (("John Doe", "john.doe"), ("Jane Roe", "jane.roe"), ("Alex Smith", "alex.smith"))


class EventSource:
    """What makes events of one client, the same for the same ``choose``; ``domain`` is its hosts'.

    ``text`` takes the place of every text that a producer is free to choose; None: they have texts of their own.
    """

    def __init__(
        self, client_id: int, domain: str, choose: random.Random, *, text: str | None = None
    ) -> None:
        self._text = text
        self._client_id = client_id
        self._domain = domain
        self._choose = choose
        self._number = client_id * 100_000

    def security_issue(self, at: datetime, risk: str) -> Event:
        """Return an issue of a risk, which was found at that time."""
        title, method, path, kind = self._choose.choice(_TITLES[risk])
        host = self._host("shop", "www", "api")
        return self._event(
            at,
            "security_issue.detected",
            issue_id=self._next(),
            title=title,
            risk=risk,
            host=host,
            path=path,
            url=f"https://{host}{path}",
            method=method,
            issue_type=kind,
            discovered_by=self._choose.choice(("Passive detection", "AASM", "Threat replay")),
        )

    def attack(self, at: datetime, *kinds: str) -> Event:
        """Return an attack of one of these kinds."""
        return self._event(
            at,
            "attack.detected",
            attack_id=self._next(),
            target=self._choose.choice(("server", "database", "client")),
            **self._traffic(kinds),
        )

    def hit(self, at: datetime, *kinds: str) -> Event:
        """Return a malicious request of one of these kinds."""
        return self._event(at, "hit.detected", hit_id=self._next(), **self._traffic(kinds))

    def incident(self, at: datetime) -> Event:
        """Return an attack that exploited an issue."""
        return self._event(
            at,
            "incident.detected",
            incident_id=self._next(),
            issue_id=self._next(),
            target="database",
            **self._traffic(("sqli",)),
        )

    def rule(self, at: datetime, what: str) -> Event:
        """Return that a rule was ``created``, ``updated`` or ``deleted``."""
        name, kind = self._choose.choice(_RULES)
        changes = {"mode": {"before": "monitoring", "after": "blocking"}}
        more = {"changes": changes} if what == "updated" else {}
        fields = {"rule_id": self._next(), "name": name, "rule_type": kind, **more}
        return self._event(at, f"rule.{what}", actor=self._person(), **fields)

    def user_created(self, at: datetime, role: str) -> Event:
        """Return that somebody was given an account in a role."""
        person = self._person()
        fields = {"user_name": person["name"], "user_email": person["email"], "user_role": role}
        return self._event(at, "user.created", actor=self._person(), **fields)

    def denylisted(self, at: datetime) -> Event:
        """Return that an address was put on the denylist."""
        return self._event(at, "ip.denylisted", ip=self._address(), reason="Produces many attacks")

    def api_changed(self, at: datetime, change: str) -> Event:
        """Return that an endpoint was ``added``, ``changed`` or is ``unused``."""
        return self._event(
            at,
            "api.changed",
            method=self._choose.choice(("GET", "POST", "PUT")),
            host=self._host("api"),
            path=self._choose.choice(("/v2/users/{id}/cards", "/v2/login", "/v1/orders/{id}")),
            change_type=change,
            sensitive_data=["credit_card_number"],
        )

    def rogue_api(self, at: datetime, kind: str) -> Event:
        """Return a ``shadow``, ``zombie`` or ``orphan`` endpoint."""
        return self._event(
            at,
            "rogue_api.detected",
            method="GET",
            host=self._host("api"),
            path=self._choose.choice(("/internal/users", "/v1/export", "/debug/vars")),
            kind=kind,
            specification_id=44,
            specification_title="Orders API v2",
        )

    def specification_failed(self, at: datetime) -> Event:
        """Return that the update of a specification failed."""
        return self._event(
            at,
            "specification.update_failed",
            specification_id=44,
            specification_title="Orders API v2",
            error="404 Not Found",
            url=f"https://specs.{self._domain}/orders.yaml",
            used_for="rogue_api_detection",
        )

    def wrong(self, at: datetime) -> Rejection:
        """Return an issue whose risk does not exist, as it is rejected."""
        body = self._body(at, "security_issue.detected")
        read = read_event({**body, "issue_id": self._next(), "title": "…", "risk": "severe"})
        if isinstance(read, Event):
            raise TypeError("what was to be wrong is an event")
        return read

    def _event(self, at: datetime, kind: str, /, **fields: Any) -> Event:
        if self._text is not None:
            fields |= dict.fromkeys(_FREE & fields.keys(), self._text)
        read = read_event({**self._body(at, kind), **fields}, sent_by="console-week")
        if isinstance(read, Rejection):
            raise Refused(read.reason, field=kind)
        return read

    def _body(self, at: datetime, kind: str) -> dict[str, Any]:
        number = UUID(int=self._choose.getrandbits(128), version=4)
        return {
            "id": str(number),
            "client_id": self._client_id,
            "type": kind,
            "occurred_at": at.isoformat(),
        }

    def _traffic(self, kinds: tuple[str, ...]) -> dict[str, Any]:
        return {
            "attack_type": self._choose.choice(kinds),
            "ip": self._address(),
            "host": self._host("shop", "pay"),
            "application_id": 8,
            "application_name": "Checkout API",
            "path": self._choose.choice(_PATHS),
            "response_status": self._choose.choice((200, 403, 403, 403, 500)),
        }

    def _host(self, *names: str) -> str:
        return f"{self._choose.choice(names)}.{self._domain}"

    def _address(self) -> str:
        net = self._choose.choice(("198.51.100", "203.0.113", "192.0.2"))
        return f"{net}.{self._choose.randint(1, 40)}"

    def _person(self) -> dict[str, str]:
        name, mailbox = self._choose.choice(_PEOPLE)
        return {"name": name, "email": f"{mailbox}@{self._domain}"}

    def _next(self) -> int:
        self._number += 1
        return self._number
