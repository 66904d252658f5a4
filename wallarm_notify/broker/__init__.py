"""The broker: the Celery app, what is sent through it, and how a worker takes messages from it."""
