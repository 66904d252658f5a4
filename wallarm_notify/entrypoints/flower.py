"""Flower, Celery's monitor, which answers only to host names that it knows."""

import signal
from collections.abc import Sequence
from typing import Any

from celery import Celery
from flower.app import Flower
from flower.command import apply_env_options, apply_options, extract_settings, setup_logging
from flower.command import sigterm_handler as end_on_term
from flower.options import options
from flower.urls import settings
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.web import RequestHandler

from wallarm_notify.entrypoints.hosts import UNKNOWN, KnownHosts


class KnownFlower(Flower):  # type: ignore[misc]  # publishes no types
    """A Flower that answers 421 to any request with an unknown host name."""

    def __init__(self, hosts: KnownHosts, **given: Any) -> None:
        super().__init__(**given)
        self._hosts = hosts

    def find_handler(self, request: HTTPServerRequest, **given: Any) -> HTTPMessageDelegate:
        """Return the handler of a request, as Tornado asks an application for it."""
        if self._hosts.know(request.headers.get("Host")):
            handler: HTTPMessageDelegate = super().find_handler(request, **given)
        else:
            handler = self.get_handler_delegate(request, _Misdirected)
        return handler


class _Misdirected(RequestHandler):
    def check_xsrf_cookie(self) -> None:
        """Accept every request: there is nothing to protect."""

    def prepare(self) -> None:
        """Answer any method."""
        self.set_status(421)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(UNKNOWN)


class Monitor:
    """A Flower on the broker of ``celery``, listening once it is made; ``given`` are its own options.

    Raise OSError if it cannot listen.
    """

    def __init__(
        self, celery: Celery, address: str, port: int, hosts: KnownHosts, given: Sequence[str]
    ) -> None:
        apply_env_options()
        apply_options("flower", [f"--address={address}", f"--port={port}", *given])
        extract_settings()
        setup_logging()
        self._flower = KnownFlower(hosts, capp=celery, options=options, **settings)
        signal.signal(signal.SIGTERM, end_on_term)
        self.port: int = self._flower.start_http_server()

    def run(self) -> None:
        """Serve until Ctrl-C, or TERM, which raises SystemExit."""
        try:
            self._flower.start()
        finally:
            self._flower.stop()
