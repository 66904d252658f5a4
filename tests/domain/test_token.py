"""Tokens and their secrets: how they are made, read, compared and kept out of sight."""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.token import (
    Pair,
    Presented,
    Secret,
    check_expiry,
    default_name,
    is_expired,
    make_credentials,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_a_token_is_48_random_bytes_in_base64_without_padding() -> None:
    made = make_credentials(with_uuid=False, random=lambda n: bytes(range(n)))
    text = made.token.reveal()
    assert b64decode(text) == bytes(range(48))
    assert re.fullmatch(r"[A-Za-z0-9+/]{64}", text)
    assert made.pair is None


def test_a_uuid_is_of_version_4_and_its_secret_is_of_what_old_programs_take() -> None:
    made = make_credentials(with_uuid=True)
    assert made.pair is not None
    assert made.pair.uuid.version == 4
    assert re.fullmatch(r"[A-Za-z0-9_-]{40,}", made.pair.secret.reveal())


def test_no_two_tokens_are_alike() -> None:
    made = [make_credentials(with_uuid=True) for _ in range(100)]
    assert len({one.token.reveal() for one in made}) == 100
    assert len({one.pair.secret.reveal() for one in made if one.pair}) == 100
    assert len({one.pair.uuid for one in made if one.pair}) == 100


def test_the_hash_is_sha_256_and_the_first_five_characters_are_shown() -> None:
    secret = Secret("abc")
    assert secret.hash.hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert Secret("abcdefgh").first_characters == "abcde"


def test_no_way_of_printing_shows_a_secret() -> None:
    made = make_credentials(with_uuid=True)
    assert made.pair is not None
    token, secret, uuid = made.token.reveal(), made.pair.secret.reveal(), str(made.pair.uuid)
    presented = [Presented(token=token), Presented(uuid=uuid, secret=secret)]
    for one in (made, made.token, made.pair, made.pair.secret, *presented):
        for text in (repr(one), str(one), f"{one}", f"{one!r:>99}", "%s %r" % (one, one)):  # noqa: UP031 - a way of printing too
            assert token not in text
            assert secret not in text
    assert not hasattr(made.token, "__dict__")


def test_what_was_made_is_read_again_and_is_equal() -> None:
    made = make_credentials(with_uuid=True)
    assert made.pair is not None
    assert Presented(token=made.token.reveal()).read() == made.token
    read = Presented(uuid=str(made.pair.uuid).upper(), secret=made.pair.secret.reveal()).read()
    assert read == made.pair
    assert isinstance(read, Pair)
    assert read.opens(made.pair.secret.hash)
    assert not read.opens(made.token.hash)
    assert not read.opens(None)


def test_a_token_goes_before_a_pair_also_where_it_is_wrong() -> None:
    made = make_credentials(with_uuid=True)
    assert made.pair is not None
    uuid, secret = str(made.pair.uuid), made.pair.secret.reveal()
    assert Presented(made.token.reveal(), uuid, secret).read() == made.token
    assert Presented("no token", uuid, secret).read() is None


@pytest.mark.parametrize(
    "presented",
    [
        Presented(),
        Presented(token=""),
        Presented(token="A" * 63),
        Presented(token="A" * 65),
        Presented(token="A" * 63 + "="),
        Presented(token="A" * 64 + "\n"),
        Presented(token="é" * 64),
        Presented(token="٣" * 64),
        Presented(uuid="0b6e0000-0000-4000-8000-000000000000"),
        Presented(secret="a" * 64),
        Presented(uuid="no UUID", secret="a" * 64),
        Presented(uuid="0b6e0000-0000-4000-8000-000000000000", secret="a" * 39),
        Presented(uuid="0b6e0000-0000-4000-8000-000000000000", secret="a" * 101),
        Presented(uuid="0b6e0000-0000-4000-8000-000000000000", secret="ä" * 64),
    ],
)
def test_what_was_never_given_out_is_nothing(presented: Presented) -> None:
    assert presented.read() is None


@given(*[st.none() | st.text(max_size=120)] * 3)
def test_whatever_is_presented_is_read_without_an_error(
    token: str | None, uuid: str | None, secret: str | None
) -> None:
    read = Presented(token, uuid, secret).read()
    assert read is None or isinstance(read, Secret) or read.uuid == UUID(uuid)
    assert Presented(token, uuid, secret).is_nothing is ({token, uuid, secret} == {None})


@given(st.text(max_size=64), st.text(max_size=64))
def test_secrets_are_equal_where_their_texts_are(one: str, other: str) -> None:
    try:
        equal = Secret(one) == Secret(other)
    except UnicodeEncodeError:
        return
    assert equal is (one == other)
    assert Secret(one) != one


def test_a_token_is_valid_up_to_the_moment_it_expires_at() -> None:
    assert not is_expired(None, NOON)
    assert not is_expired(NOON, NOON - SECOND)
    assert is_expired(NOON, NOON)
    assert is_expired(NOON, NOON + SECOND)


def test_an_end_that_is_past_is_refused() -> None:
    check_expiry(None, NOON)
    check_expiry(NOON + SECOND, NOON)
    sentence = (
        r"^expires: 2026-03-01 12:00 UTC is past; it is 2026-03-01 12:00 UTC. Give a time to come.$"
    )
    with pytest.raises(Refused, match=sentence):
        check_expiry(NOON, NOON)


def test_a_token_without_a_name_is_named_by_who_made_it_and_when() -> None:
    assert default_name("Ann", NOON) == "Token by Ann, Mar 1"
