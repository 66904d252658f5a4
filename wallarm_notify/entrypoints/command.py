"""The program ``wallarm-notify``: the command line, or one sentence if its packages are not installed."""

import sys


def main() -> None:
    """Run the command line, or exit with 1 and a sentence if the ``service`` extra is missing."""
    try:
        from wallarm_notify.entrypoints import cli  # noqa: PLC0415 - producers do not have what it imports

        cli.main()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "wallarm_notify"):
            raise  # a fault of this program, which no extra repairs
        sys.exit(
            f"wallarm-notify: the command line needs the extra «service», of which {package} is not "
            "installed here. Install it: pip install 'wallarm-notify[service]'"
        )
