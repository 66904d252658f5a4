"""What a command works with: the settings, and what use cases are given by them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wallarm_notify.bootstrap import Wiring
    from wallarm_notify.settings import Settings


def read_settings() -> "Settings":
    """The settings of the environment. Raises SettingsError."""
    from wallarm_notify.settings import settings  # noqa: PLC0415 - see below

    return settings()


def wiring(*, keys: bool = False, rings: bool = False) -> "Wiring":
    """Return what use cases are given. Raise SettingsError.

    ``keys`` is for commands that handle integration keys, ``rings`` for those that wake up workers.
    """
    # It takes half a second, which --help and a wrong option need not wait for.
    from wallarm_notify.bootstrap import Wiring, context_of  # noqa: PLC0415 - see above

    settings = read_settings()
    settings.database()
    if keys:
        settings.fernet_keys()
    if rings:
        settings.broker()
    return Wiring(settings, context_of(settings, keyless=not keys))
