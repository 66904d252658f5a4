"""Tests of what PagerDuty is sent."""
