"""``celery`` with a time of day that is off by as many seconds as a file says; its other clocks are right.

For beat: libfaketime cannot be used on it, as it makes ``time.sleep`` fail.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from celery.__main__ import main
from celery.app.base import Celery

if TYPE_CHECKING:
    from datetime import datetime

CLOCK_FILE = "CLOCK_FILE"

_right = Celery.now


def _off(app: Celery) -> datetime:
    off: datetime = _right(app) + timedelta(seconds=float(Path(os.environ[CLOCK_FILE]).read_text()))
    return off


if __name__ == "__main__":
    Celery.now = _off  # type: ignore[method-assign, assignment]
    sys.exit(main())
