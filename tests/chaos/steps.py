"""The steps of a fail-over's cases: each of the way, one of which CI plays too."""

from __future__ import annotations

import pytest

from chaos.armed import POINTS


def every_step(in_ci: str) -> list[object]:
    """Return the parameters of a test that is played at each step, by CI only at ``in_ci``."""
    return [
        pytest.param(one, marks=[pytest.mark.servers] if one == in_ci else []) for one in POINTS
    ]
