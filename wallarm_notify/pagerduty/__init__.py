"""PagerDuty: alerts, requests and responses, and the HTTP client."""
