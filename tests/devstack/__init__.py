"""Tests of ``devstack``."""
