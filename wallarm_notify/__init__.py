"""What happens in a customer's account becomes PagerDuty alerts.

The way of an event::

    producer --events.ingest--> ROUTE --notifications.deliver--> DELIVER --> PagerDuty
                                  |  one transaction                |  countdown: the next attempt
                                  v                                 v
                                     PostgreSQL, which is the truth
                                  ^
                 beat: SWEEP publishes what is overdue and nobody is on; PRUNE ends retention

- an event comes in: ``schemas`` reads it, ``services.ingest`` stores and matches it,
  ``services.fire_triggers`` counts it for the client's triggers
- a notification goes out: ``services.claim`` claims it, ``sender.dispatcher`` sends it,
  ``domain.outcome`` judges the answer, ``domain.retry`` says when it is tried again
- what was forgotten is found: ``services.sweep``; what balances: ``services.ledger``

Imports run one way: ``tasks`` | ``entrypoints`` -> ``bootstrap`` -> ``sender`` | ``broker`` -> ``services``
-> ``store`` | ``pagerduty`` | ``schemas`` -> ``domain``. Contracts in ``pyproject.toml`` keep it so.
"""
