"""The web console: pages and forms over the same use cases as the API."""
