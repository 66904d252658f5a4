"""The HTTP API, as tests drive it: a real server over a real database, asked by a real client."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests
from build import eventually

from wallarm_notify.domain.actor import Role, operator
from wallarm_notify.domain.rights import OF_ALL_CLIENTS
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.token import TokenDraft
from wallarm_notify.entrypoints.api.server import ApiServer
from wallarm_notify.services.manage_tokens import create_token
from wallarm_notify.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import Response

    from entrypoints.command_line import CommandLine

ADMIN = Role.ADMINISTRATOR
PROBLEM = "application/problem+json"


class HttpApi:
    """A server of this process; ``answers`` has all that was answered."""

    def __init__(self, line: CommandLine, url: str, verify: str | bool = True) -> None:
        self.line = line
        self.url = url
        self.answers: list[str] = []
        self._tokens: dict[tuple[Role, int | None], str] = {}
        self._verify = verify
        self._session = requests.Session()

    def close(self) -> None:
        """Close its connections: the end of one with TLS is waited for."""
        self._session.close()

    def token(self, role: Role = ADMIN, client_id: int | None = 1) -> str:
        """Return a token of this role, made at its first use."""
        whose = None if role in OF_ALL_CLIENTS else client_id
        if (role, whose) not in self._tokens:
            made = create_token(
                *(self.line.wiring.context, operator("somebody"), EVERY_CLIENT),
                TokenDraft(client_id=whose, role=role),
            )
            self._tokens[role, whose] = made.credentials.token.reveal()
        return self._tokens[role, whose]

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: Role | None = ADMIN,
        client_id: int = 1,
        **options: Any,
    ) -> Response:
        """Return the answer to a request in this role of this client; None: without a token."""
        headers = {} if role is None else {"X-WallarmApi-Token": self.token(role, client_id)}
        headers |= options.pop("headers", {})
        answer = self._session.request(
            method,
            self.url + path,
            headers=headers,
            json=body,
            timeout=30,
            verify=self._verify,
            **options,
        )
        self.answers.append(answer.text)
        return answer

    def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Return the document of a request that is served."""
        answer = self.ask(method, path, body, **options)
        assert answer.ok, (method, path, answer.status_code, answer.text)
        assert answer.headers["Content-Type"] == "application/json"
        return answer.json()

    def problem(self, status: int, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Return the problem of a request that is not served."""
        answer = self.ask(method, path, body, **options)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text)
        assert answer.headers["Content-Type"] == PROBLEM
        document = answer.json()
        assert document["status"] == status
        assert document["type"].startswith("urn:wallarm-notify:problem:")
        assert document["title"]
        return document


@contextmanager
def served(line: CommandLine, cert: str | None = None) -> Iterator[HttpApi]:
    """Serve the API by the settings of the environment."""
    server = ApiServer(read_settings(), "127.0.0.1", 0, cert=cert, key=None)
    thread = threading.Thread(target=server.run)
    thread.start()
    api = HttpApi(line, f"{server.scheme}://127.0.0.1:{server.port}", cert or True)
    try:
        eventually(lambda: api.ask("GET", "/healthz", role=None).ok)
        yield api
    finally:
        api.close()
        server.stop()
        thread.join(30)
        assert not thread.is_alive()
