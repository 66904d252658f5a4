"""wallarm-notify: what happens in a customer's account becomes PagerDuty alerts.

The way of an event::

    producer --events.ingest--> ROUTE --notifications.deliver--> DELIVER --> PagerDuty
                                  |  one transaction                |  countdown: the next attempt
                                  v                                 v
                                PostgreSQL, which is the truth
                                  ^
    beat: SWEEP publishes what is overdue and no worker has; PRUNE deletes what is past its retention

- an event comes in: ``schemas`` reads it, ``services.ingest`` stores and matches it,
    ``services.fire_triggers`` counts it for the client's triggers
- a notification goes out: ``services.claim`` claims it, ``sender.dispatcher`` sends it,
    ``domain.outcome`` decides what the answer means, ``domain.retry`` when it is tried again
- overdue notifications are found: ``services.sweep``; the figures are compared: ``services.ledger``

Imports run one way: ``tasks`` | ``entrypoints`` -> ``bootstrap`` -> ``sender`` | ``broker`` -> ``services``
-> ``store`` | ``pagerduty`` | ``schemas`` -> ``domain``. Contracts in ``pyproject.toml`` enforce it.
"""
