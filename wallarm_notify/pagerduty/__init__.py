"""PagerDuty: what it is sent."""
