"""The server of the pictures' pages: for it, too, the clock stands still.

    python -m pictures.serve 2026-03-17T02:12:00+00:00 8000

Its database is one whose clock was stopped (``devstack.past``); what the pages reckon by this process's clock has to
agree with it.
"""

import logging
import sys

from freezegun import freeze_time

from wallarm_notify.entrypoints.api.server import ApiServer
from wallarm_notify.logs import set_up_logging
from wallarm_notify.settings import read_settings


def main(at: str, port: str) -> None:
    """Serve until TERM, as if it were ``at``."""
    set_up_logging(logging.INFO, "api")
    # The loop's own clock goes on, or nothing that waits would end.
    with freeze_time(at, real_asyncio=True):
        server = ApiServer(read_settings(), "127.0.0.1", int(port), cert=None, key=None)
        print("serving", flush=True)
        server.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
