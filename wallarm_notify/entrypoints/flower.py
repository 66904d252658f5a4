"""Flower, Celery's monitor, restricted to the host names that it is known by, with links into the console."""

import re
import signal
from collections.abc import Sequence
from typing import Any, Final

from celery import Celery
from flower.app import Flower
from flower.command import apply_env_options, apply_options, extract_settings, setup_logging
from flower.command import sigterm_handler as end_on_term
from flower.options import options
from flower.urls import settings
from flower.views.tasks import TaskView
from tornado.escape import xhtml_escape
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.web import RequestHandler, url

from wallarm_notify.domain.batches import notifications_in
from wallarm_notify.entrypoints.hosts import UNKNOWN, KnownHosts, is_loopback
from wallarm_notify.settings import SettingsError


class KnownFlower(Flower):  # type: ignore[misc]  # publishes no types
    """A Flower that answers a request for an unknown host name with a refusal.

    ``public_url`` is where the console is reached, to which pages of tasks lead; None: they lead nowhere.
    """

    def __init__(self, hosts: KnownHosts, public_url: str | None, **given: Any) -> None:
        super().__init__(**given)
        self._hosts = hosts
        if public_url is not None:
            prefix = f"/{(self.options.url_prefix or '').strip('/')}".rstrip("/")
            page = url(rf"{re.escape(prefix)}/task/(.+)", TaskPage, {"public_url": public_url})
            self.add_handlers(".*", [page])

    def find_handler(self, request: HTTPServerRequest, **given: Any) -> HTTPMessageDelegate:
        """Return what answers ``request``; Tornado calls this for each request."""
        if self._hosts.know(request.headers.get("Host")):
            handler: HTTPMessageDelegate = super().find_handler(request, **given)
        else:
            handler = self.get_handler_delegate(request, _Misdirected)
        return handler


class TaskPage(TaskView):  # type: ignore[misc]  # publishes no types
    """Flower's page of a task, with a link to each notification that the task names in its words."""

    def initialize(self, public_url: str) -> None:
        """Take over where the console is reached; Tornado calls this for each request."""
        self._public_url = public_url

    def render_string(self, template_name: str, **given: Any) -> bytes:
        """Return a page or a part of one; that of the task has a row more in its list."""
        page: bytes = super().render_string(template_name, **given)
        if template_name != "task.html":
            return page
        task = given["task"]
        ids = notifications_in(f"{task.kwargs} {task.result}")
        return page.replace(b"</dl>", _links(self._public_url, ids) + b"</dl>", 1) if ids else page


def _links(public_url: str, ids: Sequence[int]) -> bytes:
    links = ", ".join(
        f'<a href="{xhtml_escape(public_url)}/notifications/{number}" rel="noreferrer">{number}</a>'
        for number in ids
    )
    row = f'<div class="detail-row task-data-row"><dt>In the console</dt><dd>{links}</dd></div>'
    return row.encode()


_LOGIN: Final = re.compile(r"[^:\s]+:\S+")
"""A name and a password. Flower would take an empty entry of its list for the login of whoever sends none."""


class _Misdirected(RequestHandler):
    def check_xsrf_cookie(self) -> None:
        """Accept any request, as there is nothing to protect."""

    def prepare(self) -> None:
        """Answer any method with status 421."""
        self.set_status(421)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(UNKNOWN)


class Monitor:
    """A Flower on the broker of ``celery``, which listens once it is made.

    ``login`` is a name and password that it asks for, as ``name:password``; ``given`` are Flower's own options, and
    ``public_url`` is where the console is reached. Making it raises OSError where it cannot listen, and SettingsError
    where anybody could reach it and it has no login.
    """

    def __init__(
        self,
        celery: Celery,
        address: str,
        port: int,
        hosts: KnownHosts,
        given: Sequence[str],
        *,
        login: str | None,
        public_url: str | None,
    ) -> None:
        apply_env_options()
        apply_options("flower", [f"--address={address}", f"--port={port}", *given])
        options.basic_auth = _logins(options.basic_auth or (), login)
        _check_login()
        extract_settings()
        setup_logging()
        self._flower = KnownFlower(hosts, public_url, capp=celery, options=options, **settings)
        signal.signal(signal.SIGTERM, end_on_term)
        self.port: int = self._flower.start_http_server()

    def run(self) -> None:
        """Serve until Ctrl-C, or until TERM, which raises SystemExit."""
        try:
            self._flower.start()
        finally:
            self._flower.stop()


def _logins(given: Sequence[str], own: str | None) -> list[str]:
    """Return Flower's own logins and ours. Raise SettingsError for an entry that would let in whoever sends nothing."""
    if not all(_LOGIN.fullmatch(one) for one in given):
        raise SettingsError(
            "Flower's own logins (FLOWER_BASIC_AUTH, --basic-auth) have an entry that is no name:password; mend it, "
            "or unset it."
        )
    return [*given, *([] if own is None else [own])]


def _check_login() -> None:
    """Raise SettingsError where Flower, by all of its options, would listen beyond loopback and ask for no login."""
    has_login = options.basic_auth or options.auth
    if not (has_login or options.unix_socket or is_loopback(options.address)):
        raise SettingsError(
            f"Flower would show tasks to whoever reaches {options.address or 'this machine'}: set "
            "WALLARM_NOTIFY_FLOWER_LOGIN to name:password, or leave out --address to serve this machine alone."
        )
