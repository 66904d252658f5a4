"""What a diagnosis finds of the way to PagerDuty: whether each host answers, over TLS that is trusted."""

import time
from typing import Final
from urllib.parse import urlsplit

import requests

from wallarm_notify.domain.advice import (
    NO_NAME,
    NO_WAY,
    NOT_TRUSTED,
    PAGERDUTYS_TROUBLE,
    WRONG_ADDRESS,
)
from wallarm_notify.domain.diagnosis import Finding, Grade

WITHIN: Final = 5.0
"""Seconds in which a host has to connect, and again in which it has to answer."""

_SERVER_ERROR: Final = 500
_PROXY_REFUSES: Final = 407


def examine_host(region: str, url: str, ca_file: str | None) -> Finding:
    """Return what was found of the host of a region. Nothing is sent that could page somebody."""
    part = f"PagerDuty {region}"
    host = urlsplit(url).netloc
    began = time.monotonic()
    try:
        answer = requests.head(
            f"{url}/v2/enqueue", timeout=WITHIN, verify=ca_file or True, allow_redirects=False
        )
    except requests.exceptions.SSLError:
        return Finding(part, Grade.BAD, f"The certificate of {host} is not trusted.", NOT_TRUSTED)
    except requests.RequestException as error:
        unknown = "NameResolutionError" in repr(error)
        words = "cannot be looked up" if unknown else "does not answer"
        return Finding(part, Grade.BAD, f"{host} {words}.", NO_NAME if unknown else NO_WAY)
    taken = f"{host} answered in {1000 * (time.monotonic() - began):.0f} ms"
    if answer.status_code >= _SERVER_ERROR:
        return Finding(part, Grade.ODD, f"{taken}, with {answer.status_code}.", PAGERDUTYS_TROUBLE)
    if answer.status_code == _PROXY_REFUSES or answer.is_redirect:
        return Finding(part, Grade.BAD, f"{taken}, with {answer.status_code}.", WRONG_ADDRESS)
    if not url.startswith("https:"):
        return Finding(
            part,
            Grade.ODD,
            f"{taken}, without TLS: it is not PagerDuty.",
            f"Unset WALLARM_NOTIFY_PAGERDUTY_{region.upper()}_URL where alerts are to reach people.",
        )
    return Finding(part, Grade.GOOD, f"{taken}, over TLS that is trusted.")
