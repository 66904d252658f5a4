"""A process's requests to PagerDuty that are under way."""
