"""Celery's tasks: each is an envelope, which unpacks a message, calls one use case and returns what it did.

``celery -A tasks worker`` consumes every queue; ``celery -A tasks beat`` runs the schedule. Wrong settings
stop either at once, with a sentence. Beat needs the broker alone, and with
HEARTBEAT_URL the database (``tasks.beat``): what a worker needs besides is checked
when one starts (``tasks.process``).
"""

import sys

from wallarm_notify.settings import SettingsError, settings

try:
    settings().broker()
except SettingsError as error:
    sys.exit(f"wallarm-notify: {error}")

from tasks import beat, delivery, process, routing, upkeep
from wallarm_notify.broker.app import app

__all__ = ["app", "beat", "delivery", "process", "routing", "upkeep"]
