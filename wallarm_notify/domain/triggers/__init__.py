"""Triggers: a client's rules over events, how they count, and what they fire (spec 3).

``trigger`` is the rule, made of a ``condition`` and its ``filters``. ``cells`` divides event time,
``crossing`` finds the event that exceeds a threshold, ``firing`` is the result.
"""
