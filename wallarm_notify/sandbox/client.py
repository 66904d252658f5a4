"""The client of a running sandbox: it sets faults, and reads what the sandbox received."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import requests

PAGE = 1000
TIMEOUT = 30.0


class SandboxError(Exception):
    """The sandbox refused a request; the text is its sentence."""


class SandboxClient:
    """The `/sandbox` routes of the sandbox at `url`, its base address.

    `verify` is how its certificate is checked when it speaks TLS: a CA file, or whether to check.
    Every method raises SandboxError when the sandbox refuses and requests.RequestException when it
    cannot be reached.
    """

    def __init__(self, url: str, *, verify: bool | str = True) -> None:
        self._url = url.rstrip("/") + "/sandbox"
        self._verify = verify

    def requests(self, key: str | None = None, *, brief: bool = False) -> list[dict[str, Any]]:
        """Return every request to PagerDuty's routes in order, or those of one routing key.

        `brief` leaves out headers and bodies.
        """
        wanted = {"key": key, "brief": "1" if brief else None}
        return [item for page in self._pages("/requests", wanted) for item in page["items"]]

    def alerts(self, key: str | None = None) -> list[dict[str, Any]]:
        """Return every alert in the order of opening, or those of one routing key."""
        return [item for page in self._pages("/alerts", {"key": key}) for item in page["items"]]

    def counts(self, key: str | None = None) -> dict[str, int]:
        """Return how many events were `dropped` and how many `changes` came, of all or one key."""
        answer = self._call("GET", "/alerts", params={"key": key, "limit": 1})
        return {name: int(answer[name]) for name in ("dropped", "changes")}

    def set_keys(self, keys: Sequence[str] | None) -> None:
        """Make these routing keys the only known ones; None makes every well-formed key known again."""
        self._call("PUT", "/keys", document={"keys": None if keys is None else list(keys)})

    def set_faults(
        self, faults: Sequence[Mapping[str, Any]] = (), **settings: float | None
    ) -> dict[str, Any]:
        """Replace all faults by these and change the settings named; return the settings and faults in force.

        Settings are `rate_limit` (events a minute, 0 for none), `retry_after` and `idle_timeout` (seconds,
        None for off).
        """
        document = {"faults": [dict(fault) for fault in faults], **settings}
        return self._call("PUT", "/faults", document=document)

    def reset(self) -> None:
        """Make the sandbox forget everything: requests, alerts, faults, keys, rates and settings."""
        self._call("DELETE", "")

    def _pages(self, path: str, wanted: Mapping[str, str | None]) -> Iterator[dict[str, Any]]:
        since: int | None = 0
        while since is not None:
            answer = self._call("GET", path, params={**wanted, "since": since, "limit": PAGE})
            since = answer["next"]
            yield answer

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int | None] | None = None,
        document: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        with requests.Session() as session:
            session.trust_env = False  # a proxy of the environment is not meant for the sandbox
            answer = session.request(
                method,
                self._url + path,
                params=params,
                json=document,
                timeout=TIMEOUT,
                verify=self._verify,
            )
        if answer.status_code == requests.codes.bad_request:
            raise SandboxError(answer.json()["error"])
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content
