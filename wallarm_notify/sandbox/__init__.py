"""A stand-in for PagerDuty's Events API v2 that refuses, throttles and fails like the real one.

`events` checks one body, `api` decides PagerDuty's answer to it, `alerts` and `rate` keep what
accepted events did, `faults` holds the trouble that was asked for, `journal` what came in; `memory`
is all of that together. `control` answers the `/sandbox` routes, whose `documents` it reads. `app`
takes both to HTTP, `exchange` writes one answer to a connection, `server` starts and stops.
`client` drives a running sandbox. Nothing here imports the rest of the package.
"""
