"""Tests of the PagerDuty sandbox."""
