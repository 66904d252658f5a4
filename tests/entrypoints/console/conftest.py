"""The console on a real database, broker and sandbox."""

from entrypoints.api.conftest import api

__all__ = ["api"]
