"""The program ``wallarm-notify``: the command line, or one sentence where its packages are not installed."""

import sys


def main() -> None:
    """Run the command line. End with status 1 and a sentence where a package of the ``service`` extra is missing."""
    try:
        from wallarm_notify.entrypoints import cli  # noqa: PLC0415 - producers are without what it imports

        cli.main()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "wallarm_notify"):
            raise  # a fault of ours, which no extra mends
        sys.exit(
            f"wallarm-notify: the command line needs the extra «service», of which {package} is not "
            "installed here. Install it: pip install 'wallarm-notify[service]'"
        )
