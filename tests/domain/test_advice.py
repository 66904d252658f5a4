"""What to do about an answer."""

from __future__ import annotations

import pytest

from wallarm_notify.domain.advice import (
    NEW_KEY,
    NO_NAME,
    NO_WAY,
    NOT_TRUSTED,
    PAGERDUTYS_TROUBLE,
    REFUSED_ALERT,
    TOO_MANY,
    WRONG_ADDRESS,
    advice_on,
)
from wallarm_notify.domain.outcome import FailureReason

INVALID = '{"status":"invalid event","message":"Event object is invalid","errors":["too long"]}'


@pytest.mark.parametrize(
    ("error", "status", "response", "advice"),
    [
        (None, 202, '{"status":"success"}', None),
        ("http_4xx", 400, "Invalid routing key", NEW_KEY),
        ("http_4xx", 400, '{"message":"invalid Routing Key"}', NEW_KEY),
        ("http_4xx", 400, INVALID, REFUSED_ALERT),
        ("http_4xx", 404, "Not found", WRONG_ADDRESS),
        ("http_4xx", 407, "Proxy authentication required", WRONG_ADDRESS),
        ("http_3xx", 301, "", WRONG_ADDRESS),
        ("http_429", 429, "", TOO_MANY),
        ("http_5xx", 503, "Invalid routing key", PAGERDUTYS_TROUBLE),
        ("dns", None, "Could not resolve host", NO_NAME),
        ("tls", None, "self-signed certificate", NOT_TRUSTED),
        ("refused", None, "", NO_WAY),
        ("timeout", None, "", NO_WAY),
    ],
)
def test_each_answer_has_its_advice(
    error: str | None, status: int | None, response: str, advice: str | None
) -> None:
    assert advice_on(error, status, response) == advice


@pytest.mark.parametrize("reason", FailureReason)
def test_every_failure_has_advice_that_is_a_sentence(reason: FailureReason) -> None:
    advice = advice_on(reason, None, "")
    assert advice is not None
    assert advice.endswith(".")


def test_what_to_do_about_a_wrong_key_names_its_length_the_region_and_the_type_of_integration() -> (
    None
):
    for words in ("32 characters", "eu", "us", "Use our API directly", "Events API V2"):
        assert words in NEW_KEY
