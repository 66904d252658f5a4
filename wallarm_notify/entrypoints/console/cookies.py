"""Cookies: the session's, and how somebody wants pages to look."""

from dataclasses import dataclass
from typing import Final, Literal

from starlette.requests import HTTPConnection
from starlette.responses import Response

from wallarm_notify.entrypoints.api.client_address import TrustedProxies

SESSION: Final = "wallarm-notify-session"
THEME: Final = "wallarm-notify-theme"
ZONE: Final = "wallarm-notify-zone"
UTC_ONLY: Final = "wallarm-notify-utc"

THEMES: Final = ("light", "dark")
"""The themes that can be chosen; without a choice it is the system's."""

YEAR: Final = 365 * 86_400

_LONGEST: Final = 100


@dataclass(frozen=True, slots=True)
class Cookies:
    """How cookies are set: ``has_tls`` is whether people reach this server by TLS, whatever a request says."""

    proxies: TrustedProxies
    has_tls: bool

    def is_secure(self, request: HTTPConnection) -> bool:
        """Return whether the browser speaks TLS: to this server, or to a trusted proxy that says so."""
        if self.has_tls or not self.proxies.trusts(request):
            return self.has_tls
        # The first is what the browser spoke, where several proxies have passed it on.
        before = request.headers.get("x-forwarded-proto", "").partition(",")[0]
        return before.strip().lower() == "https"

    def session_of(self, request: HTTPConnection) -> str | None:
        """Return what a browser presents of its session; None: nothing."""
        text = request.cookies.get(self._session_name(request))
        return text if text and len(text) <= _LONGEST else None

    def set_session(self, request: HTTPConnection, answer: Response, secret: str) -> None:
        """Give a browser its session; it forgets it when it ends."""
        self._set(request, answer, self._session_name(request), secret)

    def forget_session(self, request: HTTPConnection, answer: Response) -> None:
        """Take the session from a browser."""
        self._set(request, answer, self._session_name(request), "", 0)

    def set_choice(self, request: HTTPConnection, answer: Response, name: str, value: str) -> None:
        """Keep a choice of how pages look for a year; an empty one is taken back."""
        self._set(request, answer, name, value, YEAR if value else 0)

    def _session_name(self, request: HTTPConnection) -> str:
        # With this prefix no other host, and no page without TLS, can set it.
        return f"__Host-{SESSION}" if self.is_secure(request) else SESSION

    def _set(
        self,
        request: HTTPConnection,
        answer: Response,
        name: str,
        value: str,
        seconds: int | None = None,
    ) -> None:
        same_site: Literal["lax"] = "lax"
        answer.set_cookie(
            name,
            value,
            max_age=seconds,
            path="/",
            secure=self.is_secure(request),
            httponly=True,
            samesite=same_site,
        )


def theme_of(request: HTTPConnection) -> str | None:
    """Return the theme that was chosen; None: the system's."""
    theme = request.cookies.get(THEME)
    return theme if theme in THEMES else None
