"""A stand-in for PagerDuty's Events API v2 that refuses, throttles and fails like the real one.

`events` checks one body, `alerts` and `rate` keep what accepted events did, `faults` holds the
trouble that was asked for, `memory` is all of that together. `api` decides PagerDuty's answer,
`control` answers the `/sandbox` routes; `wire`, `connection` and `server` carry both over HTTP.
`client` drives a running sandbox. Nothing here imports the rest of the package.
"""
