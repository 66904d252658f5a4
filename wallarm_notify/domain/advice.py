"""Advice: what to do about an answer of PagerDuty, or about none, in one sentence each."""

from typing import Final

from wallarm_notify.domain.outcome import FailureReason

_WRONG_KEY: Final = "invalid routing key"

_OF_OTHERS: Final = (401, 403, 404, 405, 407)
"""Statuses that the Events API does not answer with, but other servers and proxies do."""

NEW_KEY: Final = (
    "PagerDuty knows no integration with this key in this region: copy the Integration Key (32 characters) of a "
    "service's integration of the type «Use our API directly» (Events API V2), and take the region from PagerDuty's "
    "address: eu where that is *.eu.pagerduty.com, else us."
)
REFUSED_ALERT: Final = (
    "PagerDuty takes the request for wrong: check that the key is the Integration Key (32 characters) of a service's "
    "integration of the type «Use our API directly» (Events API V2)."
)
WRONG_ADDRESS: Final = (
    "It was not answered by PagerDuty's Events API: check WALLARM_NOTIFY_PAGERDUTY_US_URL and _EU_URL, and any proxy "
    "on the way."
)
TOO_MANY: Final = (
    "PagerDuty takes fewer requests of this key: let nothing else send by it, or lower "
    "WALLARM_NOTIFY_RATE_LIMIT_PER_MINUTE. It is sent again by itself."
)
PAGERDUTYS_TROUBLE: Final = (
    "The trouble is PagerDuty's: status.pagerduty.com may say more. It is sent again by itself."
)
NO_WAY: Final = (
    "This machine does not reach PagerDuty: check its network, its firewall and proxy, and that port 443 of "
    "events.pagerduty.com or events.eu.pagerduty.com is allowed."
)
NO_NAME: Final = (
    "This machine cannot look up PagerDuty's host: check its DNS, or name a proxy in https_proxy."
)
NOT_TRUSTED: Final = (
    "The certificate of what answered is not trusted: where a proxy of your own stands between, name its CA in "
    "WALLARM_NOTIFY_CA_FILE."
)


_ADVICE: Final = {
    FailureReason.DNS: NO_NAME,
    FailureReason.REFUSED: NO_WAY,
    FailureReason.TLS: NOT_TRUSTED,
    FailureReason.CONNECT_TIMEOUT: NO_WAY,
    FailureReason.TIMEOUT: NO_WAY,
    FailureReason.RESET: NO_WAY,
    FailureReason.NETWORK: NO_WAY,
    FailureReason.REDIRECT: WRONG_ADDRESS,
    FailureReason.CLIENT: REFUSED_ALERT,
    FailureReason.THROTTLED: TOO_MANY,
    FailureReason.SERVER: PAGERDUTYS_TROUBLE,
    FailureReason.STATUS: WRONG_ADDRESS,
}


def advice_on(error: str | None, status: int | None, response: str) -> str | None:
    """Return what to do about an attempt that failed by ``error``; None: it did not fail.

    ``error`` is a ``FailureReason``, as it is stored; ``response`` is the answer's text.
    """
    if error is None:
        return None
    reason = FailureReason(error)
    if reason is FailureReason.CLIENT:
        if _WRONG_KEY in response.lower():
            return NEW_KEY
        if status in _OF_OTHERS:
            return WRONG_ADDRESS
    return _ADVICE[reason]
