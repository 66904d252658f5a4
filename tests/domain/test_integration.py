from __future__ import annotations

from datetime import UTC, datetime

import pytest
from build import a_key, a_user_event, an_attack, an_event
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.client import CLOUD_ADDRESSES, CLOUDS, Client
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import Subscription
from wallarm_notify.domain.integration import (
    IntegrationChange,
    IntegrationKey,
    Stored,
    Subscriber,
    Subscribers,
    default_name,
    news_of,
    parse_region,
    parse_subscriptions,
)
from wallarm_notify.domain.summary_form import SummaryForm

KEY = "0123456789abcdefABCDEF0123456789"


@pytest.mark.parametrize("given_", [KEY, f" {KEY}", f"{KEY}\n", f"\t{KEY} \r\n", f"\u00a0{KEY}"])
def test_a_key_is_32_letters_and_digits_without_the_space_around_it(given_: str) -> None:
    assert IntegrationKey.parse(given_).reveal() == KEY


@pytest.mark.parametrize(
    "given_",
    [
        pytest.param(KEY[:31], id="31 characters"),
        pytest.param(KEY + "x", id="33 characters"),
        pytest.param("", id="nothing"),
        pytest.param("   ", id="space"),
        pytest.param(KEY[:16] + " " + KEY[17:], id="space within"),
        pytest.param(KEY[:31] + "-", id="a hyphen"),
        pytest.param(KEY[:31] + "\u0661", id="a digit of another script"),
        pytest.param(KEY[:31] + "\u00e9", id="a letter with an accent"),
        pytest.param(KEY[:31] + "\0", id="a NUL"),
        pytest.param(KEY + "\n" + KEY, id="two keys"),
    ],
)
def test_anything_else_is_refused_in_a_sentence_that_says_what_a_key_is(given_: str) -> None:
    with pytest.raises(Refused, match="an integration key is 32 letters and digits") as refusal:
        IntegrationKey.parse(given_)
    assert KEY[:16] not in str(refusal.value)


@pytest.mark.parametrize(
    ("given_", "what"),
    [
        pytest.param(KEY[:31], "31 characters", id="only letters and digits"),
        pytest.param(f" {KEY}x\n", "33 characters", id="without the space around it"),
        pytest.param(
            KEY[:31] + "-", "32 characters, not all of them letters or digits", id="a hyphen"
        ),
        pytest.param(
            KEY[:9] + " " + KEY[9:],
            "33 characters, not all of them letters or digits",
            id="space within",
        ),
    ],
)
def test_the_refusal_of_a_key_says_how_long_it_was_and_whether_it_held_other_characters(
    given_: str, what: str
) -> None:
    with pytest.raises(Refused, match=rf"what was given has {what}\. "):
        IntegrationKey.parse(given_)


@pytest.mark.parametrize("given_", ["y_NbAkKc66ryYTWUXYEu", " u+_1234567890123-xyZ "])
def test_a_rest_api_key_has_a_sentence_of_its_own(given_: str) -> None:
    with pytest.raises(Refused, match="looks like a PagerDuty REST API key") as refusal:
        IntegrationKey.parse(given_)
    assert given_.strip() not in str(refusal.value)


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789_-+ ", min_size=12, max_size=60))
def test_a_refusal_never_repeats_what_was_given(text: str) -> None:
    try:
        IntegrationKey.parse(text)
    except Refused as refusal:
        message = str(refusal)
        pieces = {text[n : n + 12] for n in range(len(text) - 11)}
        assert not any(piece in message for piece in pieces if not piece.isspace())


def test_a_key_cannot_be_printed_by_accident() -> None:
    key = IntegrationKey(KEY)
    shown = [repr(key), str(key), f"{key}", f"{key!r}", f"{key:>40}", "%s" % key, f"{[key]}"]  # noqa: UP031 - one way more
    assert all(KEY not in text and KEY[:28] not in text for text in shown)
    assert all("…6789" in text for text in shown)
    assert f"{key:>8}" == "   …6789"
    assert not hasattr(key, "__dict__")


def test_keys_are_equal_by_what_they_hold() -> None:
    assert IntegrationKey(KEY) == IntegrationKey(KEY)
    assert len({IntegrationKey(KEY), IntegrationKey(KEY), a_key()}) == 2
    assert IntegrationKey(KEY) != KEY


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        ([], ()),
        (["system"], (Subscription.SYSTEM,)),
        (["system", "system"], (Subscription.SYSTEM,)),
        (
            ["security_issue_info", "rules_and_triggers", "system"],
            (
                Subscription.SYSTEM,
                Subscription.RULES_AND_TRIGGERS,
                Subscription.SECURITY_ISSUE_INFO,
            ),
        ),
        (
            ["security_issue"],
            tuple(
                Subscription(f"security_issue_{risk}")
                for risk in ("critical", "high", "medium", "low", "info")
            ),
        ),
        (["security_issue", "system", "rules_and_triggers"], tuple(Subscription)),
    ],
    ids=lambda value: " ".join(value) or "none",
)
def test_subscriptions_are_in_the_order_of_the_card(
    words: list[str], chosen: tuple[Subscription, ...]
) -> None:
    assert parse_subscriptions(words) == chosen


@pytest.mark.parametrize("word", ["System", "security_issues", "", "security_issue_unknown"])
def test_an_unknown_subscription_is_refused_with_all_that_are_known(word: str) -> None:
    with pytest.raises(Refused) as refusal:
        parse_subscriptions(["system", word])
    assert f"«{word}»" in str(refusal.value)
    permitted = str(refusal.value).rpartition("permitted are ")[2].rstrip(".")
    assert permitted.split(", ") == [*Subscription, "security_issue"]


def test_regions_are_us_and_eu() -> None:
    assert [parse_region(r) for r in ("us", "eu")] == ["us", "eu"]
    for wrong in ("US", "me", ""):
        with pytest.raises(Refused, match="us and eu"):
            parse_region(wrong)


@pytest.mark.parametrize(
    ("today", "name"),
    [
        (datetime(2026, 3, 1, tzinfo=UTC), "PagerDuty integration by Ann, Mar 1"),
        (datetime(2026, 12, 31, tzinfo=UTC), "PagerDuty integration by Ann, Dec 31"),
    ],
)
def test_the_default_name_has_user_month_and_day(today: datetime, name: str) -> None:
    assert default_name("Ann", today) == name


def a_subscriber(
    id: int,  # noqa: A002 - the field's name
    *words: str,
    client_id: int = 1,
    enabled: bool = True,
) -> Subscriber:
    return Subscriber(id, client_id, frozenset(words), enabled, 0)


def test_an_event_goes_to_its_clients_integrations_that_subscribe_disabled_ones_included() -> None:
    mine = [
        a_subscriber(1, "security_issue_high"),
        a_subscriber(2, "security_issue_low", "system"),
        a_subscriber(4, "security_issue_high", enabled=False),
        a_subscriber(5),
    ]
    others = [a_subscriber(3, "security_issue_high", client_id=2)]
    subscribers = Subscribers({1: 1, 2: 1, 3: 0}, {1: mine, 2: others})
    assert [i.id for i in subscribers.of(an_event())] == [1, 4]
    assert [i.id for i in subscribers.of(a_user_event())] == [2]
    assert subscribers.of(an_attack()) == []
    assert subscribers.of(an_event(client_id=3)) == []


STORED = Stored(
    id=1, client_id=1, name="On call", region="us",
    subscriptions=frozenset({Subscription.SYSTEM, Subscription.RULES_AND_TRIGGERS}),
    summary=SummaryForm.ORIGINAL, enabled=True, disablings=0, generation=0, key_token=b"t",
    key_fingerprint=b"f",
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "fingerprint", "news"),
    [
        (IntegrationChange(), None, IntegrationChange()),
        (IntegrationChange(name="On call"), None, IntegrationChange()),
        (IntegrationChange(name="on call"), None, IntegrationChange(name="on call")),
        (IntegrationChange(region="us"), None, IntegrationChange()),
        (IntegrationChange(region="eu"), None, IntegrationChange(region="eu")),
        (
            IntegrationChange(subscriptions=(Subscription.RULES_AND_TRIGGERS, Subscription.SYSTEM)),
            None,
            IntegrationChange(),
        ),
        (
            IntegrationChange(subscriptions=(Subscription.SYSTEM,)),
            None,
            IntegrationChange(subscriptions=(Subscription.SYSTEM,)),
        ),
        (IntegrationChange(subscriptions=()), None, IntegrationChange(subscriptions=())),
        (IntegrationChange(key=a_key("k")), b"f", IntegrationChange()),
        (
            IntegrationChange(key=IntegrationKey("k")),
            b"g",
            IntegrationChange(key=IntegrationKey("k")),
        ),
        (IntegrationChange(enabled=True), None, IntegrationChange()),
        (IntegrationChange(enabled=False), None, IntegrationChange(enabled=False)),
        (
            IntegrationChange(name="x", region="us", enabled=True),
            None,
            IntegrationChange(name="x"),
        ),
    ],
)
def test_of_a_change_only_what_is_another_is_news(
    change: IntegrationChange, fingerprint: bytes | None, news: IntegrationChange
) -> None:
    assert news_of(STORED, change, fingerprint) == news
    assert news_of(STORED, change, fingerprint).is_nothing is (news == IntegrationChange())


@pytest.mark.parametrize(
    ("change", "sets", "another_way"),
    [
        (IntegrationChange(enabled=False, reason="why"), False, False),
        (IntegrationChange(name="x"), True, False),
        (IntegrationChange(subscriptions=()), True, False),
        (IntegrationChange(region="eu"), True, True),
        (IntegrationChange(key=a_key()), True, True),
    ],
)
def test_a_change_knows_what_it_sets_and_whether_requests_go_another_way(
    change: IntegrationChange, *, sets: bool, another_way: bool
) -> None:
    assert (change.sets, change.is_another_way, change.is_nothing) == (sets, another_way, False)


def test_a_client_without_a_record_has_defaults() -> None:
    assert Client.of(7, None, None, None, default_cloud="eu") == Client(
        7, "Client 7", "eu", "Wallarm"
    )
    assert Client.of(7, "ACME", "me", "P", default_cloud="eu") == Client(7, "ACME", "me", "P")


# The original page's list, written out.
US = """34.102.90.100 34.94.156.115 35.235.115.105 34.94.85.217 34.94.51.234 34.102.59.122 34.94.238.72
35.235.100.79 34.102.45.38 34.94.241.21 34.94.203.193 34.94.238.221 34.94.9.235 34.94.118.150
34.94.193.9"""
EU = "34.141.230.156 34.91.138.113 34.90.114.134 35.204.127.78 34.90.24.155 34.7.147.149"
ME = "34.166.215.174"


@pytest.mark.parametrize(
    ("cloud", "listed", "number"), [("us", US, 15), ("eu", EU, 6), ("me", ME, 1)]
)
def test_cloud_addresses_are_the_pages(cloud: str, listed: str, number: int) -> None:
    assert CLOUD_ADDRESSES[cloud] == tuple(listed.split())
    assert len(CLOUD_ADDRESSES[cloud]) == number


def test_every_cloud_has_addresses() -> None:
    assert tuple(CLOUD_ADDRESSES) == CLOUDS == ("us", "eu", "me")
