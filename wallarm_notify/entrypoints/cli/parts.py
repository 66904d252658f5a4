"""The parts that a command needs: the settings, and what use cases are given."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wallarm_notify.bootstrap import Wiring
    from wallarm_notify.settings import Settings


def read_settings() -> "Settings":
    """Return the settings of the environment. Raise SettingsError."""
    from wallarm_notify.settings import settings  # noqa: PLC0415 - see below

    return settings()


def wiring(*, keys: bool = False, broker: bool = False) -> "Wiring":
    """Return what use cases are given. Raise SettingsError.

    ``keys`` is for commands that handle integration keys, ``broker`` for commands that publish messages.
    """
    # The import takes a fifth of a second, which --help and a wrong option need not wait for.
    from wallarm_notify.bootstrap import Wiring, context_of  # noqa: PLC0415 - see above

    settings = read_settings()
    settings.database()
    if keys:
        settings.fernet_keys()
    if broker:
        settings.broker()
    return Wiring(settings, context_of(settings, keyless=not keys))
