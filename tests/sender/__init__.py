"""Tests of ``sender``."""
