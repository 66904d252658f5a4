"""The program ``wallarm-notify``: the command line, or one sentence if its packages are not installed."""

import gc
import sys
from typing import Final

_OBJECTS: Final = 100_000
"""How many objects are made before Python looks for garbage; by default it is 700."""

OF_SERVE: Final = frozenset({"anyio", "fastapi", "limits", "starlette", "uvicorn"})
"""Packages that the extra ``serve`` brings."""


def main() -> None:
    """Run the command line, or exit with 1 and a sentence if the ``service`` extra is missing."""
    # What is imported is no garbage; looking for some again and again is a tenth of the time until a command begins.
    gc.set_threshold(_OBJECTS)
    try:
        from wallarm_notify.entrypoints import cli  # noqa: PLC0415 - producers do not have what it imports

        cli.main()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "wallarm_notify"):
            raise  # a fault of this program, which no extra repairs
        what, extra = ("serve", "serve") if package in OF_SERVE else ("the command line", "service")
        sys.exit(
            f"wallarm-notify: {what} needs the extra «{extra}», of which {package} is not "
            f"installed here. Install it: pip install 'wallarm-notify[{extra}]'"
        )
