"""A sandbox of PagerDuty's Events API v2, which refuses, throttles and fails like the real one.

`events` checks one body, `api` decides PagerDuty's answer to it, `alerts` and `rate` keep the effects of
accepted events, `faults` has the faults that were asked for, `journal` the requests; `memory` is all of
that together. `control` answers the `/sandbox` routes, whose `documents` it reads. `app` takes both to
HTTP, `exchange` writes one answer to a connection, `server` starts and stops. `client` controls a running
sandbox. Nothing here imports the rest of the package.
"""
