"""The sender: a process's requests to PagerDuty that are in flight, from the claim to the record."""
