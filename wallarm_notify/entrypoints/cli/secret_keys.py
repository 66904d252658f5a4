"""``wallarm-notify secrets``: the secret keys that encrypt integration keys."""

import click

from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.cli.options import acting, example, json_option, user_option
from wallarm_notify.entrypoints.cli.output import print_diagnostic, print_json, print_line
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.program import FAILED
from wallarm_notify.services.rotate_secrets import rotate_secrets


@click.group(epilog=example("wallarm-notify secrets generate", "wallarm-notify secrets rotate"))
def secrets() -> None:
    """Manage the secret keys that encrypt integration keys."""


@secrets.command(
    epilog=example('export WALLARM_NOTIFY_SECRET_KEYS="$(wallarm-notify secrets generate)"')
)
@json_option
def generate(as_json: bool) -> None:
    """Print a new key for WALLARM_NOTIFY_SECRET_KEYS; needs no setting."""
    from wallarm_notify.store import encryption as at_rest  # noqa: PLC0415 - cryptography, only here

    key = at_rest.generate()
    if as_json:
        print_json({"secret_key": key})
    else:
        print_line(key)


@secrets.command(epilog=example("WALLARM_NOTIFY_SECRET_KEYS=NEW,OLD wallarm-notify secrets rotate"))
@user_option
@json_option
@click.pass_context
def rotate(ctx: click.Context, user: str, as_json: bool) -> None:
    """Encrypt all stored secrets anew with the first key of WALLARM_NOTIFY_SECRET_KEYS."""
    actor = acting(user)
    done, locked_up = rotate_secrets(wiring(keys=True).context, actor, EVERY_CLIENT)
    if as_json:
        print_json({"rotated": done, "unreadable": locked_up})
    else:
        print_line(f"{counted(done, 'secret')} encrypted with the newest key.")
    if locked_up:
        named = ", ".join(map(str, locked_up))
        print_diagnostic(
            f"no key of WALLARM_NOTIFY_SECRET_KEYS opens what is stored of integration {named}; add "
            "the old key after the newest one, or give the integration a new key."
        )
        ctx.exit(FAILED)
