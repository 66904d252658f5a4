from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from build import Bench, a_key, an_event
from cryptography.fernet import Fernet

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.store import Store
from wallarm_notify.store.encryption import REMEMBERED, KeyCipher, generate

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = a_key()
OLD, NEW = generate(), generate()


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    bench = Bench(database_url, fernet=OLD)
    yield bench
    bench.close()


def test_an_encrypted_key_is_decrypted_again_and_its_token_does_not_show_it() -> None:
    cipher = KeyCipher([OLD])
    token = cipher.encrypt(KEY)
    assert cipher.decrypt(token) == KEY
    assert KEY.reveal().encode() not in token
    assert cipher.encrypt(KEY) != token


def test_any_of_the_fernet_keys_decrypts_and_a_wrong_one_returns_none() -> None:
    token = KeyCipher([OLD]).encrypt(KEY)
    assert KeyCipher([NEW, OLD]).decrypt(token) == KEY
    assert KeyCipher([NEW]).decrypt(token) is None
    assert KeyCipher([OLD]).decrypt(b"no token") is None


def test_each_cipher_decrypts_a_token_once_and_remembers_the_result() -> None:
    ours, others = KeyCipher([OLD]), KeyCipher([NEW])
    token = ours.encrypt(KEY)
    for _ in range(3):
        assert ours.decrypt(token) == KEY
        assert others.decrypt(token) is None
    for cipher in (ours, others):
        assert cipher.decrypt.cache_info()[:3] == (2, 1, REMEMBERED)


def test_after_a_rotation_only_the_newest_key_is_needed() -> None:
    token = KeyCipher([OLD]).encrypt(KEY)
    rotated = KeyCipher([NEW, OLD]).rotate(token)
    assert rotated is not None
    assert KeyCipher([NEW]).decrypt(rotated) == KEY
    assert KeyCipher([OLD]).decrypt(rotated) is None
    assert KeyCipher([NEW]).rotate(token) is None


def test_fingerprints_differ_by_key_and_by_installation() -> None:
    cipher = KeyCipher([OLD])
    one, two = cipher.new_fingerprint_token(), cipher.new_fingerprint_token()
    assert cipher.fingerprint(KEY, one) == cipher.fingerprint(KEY, one)
    assert cipher.fingerprint(KEY, one) != cipher.fingerprint(a_key(), one)
    assert cipher.fingerprint(KEY, one) != cipher.fingerprint(KEY, two)
    assert KeyCipher([NEW]).fingerprint(KEY, one) is None


def test_a_rotation_encrypts_all_secrets_anew_and_fingerprints_stay(bench: Bench) -> None:
    integrations = [bench.integration(KEY), bench.integration()]
    ids = bench.made()
    before = bench.sql("SELECT key_fingerprint FROM integrations ORDER BY id")
    both = Store(bench.pool, KeyCipher([NEW, OLD]))
    assert both.transact(lambda tx: tx.rotate_secrets()) == (3, [])
    assert bench.sql("SELECT key_fingerprint FROM integrations ORDER BY id") == before
    assert bench.claim(ids).sendings == ()
    later = Bench(bench.url, fernet=NEW)
    assert len(later.claim(ids).sendings) == 2
    assert later.store.transact(lambda tx: tx.same_key(EVERY_CLIENT, KEY, 0)) == integrations[:1]
    later.close()


def test_rotating_without_the_old_key_changes_nothing(bench: Bench) -> None:
    bench.integration()
    before = bench.sql("SELECT key_token FROM integrations")
    wrong = Store(bench.pool, KeyCipher([NEW]))
    with pytest.raises(
        Unavailable, match=r"nothing was changed. Add the old key after the new one"
    ):
        wrong.transact(lambda tx: tx.rotate_secrets())
    assert bench.sql("SELECT key_token FROM integrations") == before


def test_a_token_that_no_key_decrypts_is_named_and_the_others_are_rotated(bench: Bench) -> None:
    lost, _ = bench.integration(), bench.integration()
    token = KeyCipher([generate()]).encrypt(KEY)
    bench.sql("UPDATE integrations SET key_token = :t WHERE id = :i", t=token, i=lost)
    both = Store(bench.pool, KeyCipher([NEW, OLD]))
    assert both.transact(lambda tx: tx.rotate_secrets()) == (2, [lost])


def test_without_the_key_of_the_installations_secret_no_integration_is_stored(bench: Bench) -> None:
    bench.integration()
    wrong = Bench(bench.url, fernet=NEW)
    with pytest.raises(Unavailable, match="WALLARM_NOTIFY_SECRET_KEYS lacks the key"):
        wrong.integration()
    wrong.close()
    assert bench.value("SELECT count(*) FROM integrations") == 1


def test_a_store_without_secret_keys_can_still_route(bench: Bench) -> None:
    bench.integration()
    plain = Store(bench.pool)
    assert len(plain.transact(lambda tx: tx.subscribers_of({1: True})).integrations[1]) == 1
    with pytest.raises(RuntimeError, match="without WALLARM_NOTIFY_SECRET_KEYS"):
        plain.transact(lambda tx: tx.fingerprint(KEY))


def store_token(bench: Bench, integration: int, secret: str, at: int) -> None:
    """Store a key under the Fernet key ``secret``, with a token made at ``at``, in epoch seconds."""
    token = Fernet(secret).encrypt_at_time(a_key().reveal().encode(), at)
    bench.sql("UPDATE integrations SET key_token = :t WHERE id = :i", t=token, i=integration)


def check(bench: Bench, *secret_keys: str) -> None:
    Store(bench.pool, KeyCipher(secret_keys)).check_keys()


def test_while_no_integration_key_is_stored_any_secret_key_passes_the_check(bench: Bench) -> None:
    check(bench, NEW)


# Among them: times where base64's alphabet and ASCII's order differ, and where one more digit is needed.
MOMENTS = [0, 1_700_000_000, 1_700_000_064, 1_764_000_000, 2**31, 2**32 - 1, 2**32, 2**38 + 13]


@pytest.mark.parametrize("change", range(1, len(MOMENTS)))
def test_a_missing_secret_key_is_found_whenever_the_keys_were_changed(
    bench: Bench, change: int
) -> None:
    """The keys from before ``change`` are stored under OLD, the later ones under NEW."""
    integrations = [bench.integration() for _ in MOMENTS]
    shuffled = sorted(zip(integrations, MOMENTS, strict=True), key=lambda both: both[0] * 5 % 7)
    for (_, moment), integration in zip(shuffled, integrations, strict=True):
        store_token(bench, integration, OLD if MOMENTS.index(moment) < change else NEW, moment)
    check(bench, NEW, OLD)
    for alone in (OLD, NEW):
        with pytest.raises(Unavailable, match="WALLARM_NOTIFY_SECRET_KEYS lacks the key") as error:
            check(bench, alone)
        assert OLD not in str(error.value)
        assert NEW not in str(error.value)


@pytest.mark.parametrize("which", [0, -1])
def test_among_many_the_oldest_and_the_newest_are_tried(bench: Bench, which: int) -> None:
    integrations = [bench.integration() for _ in range(50)]
    for number, integration in enumerate(reversed(integrations)):
        store_token(bench, integration, NEW, 1_700_000_000 + number)
    check(bench, NEW)
    odd = integrations[::-1][which]
    store_token(bench, odd, OLD, 1_600_000_000 if which == 0 else 1_800_000_000)
    with pytest.raises(Unavailable, match=f"the key of integration {odd} is stored"):
        check(bench, NEW)


def test_keys_of_disabled_and_deleted_integrations_are_not_checked(bench: Bench) -> None:
    disabled, deleted, garbled = (bench.integration() for _ in range(3))
    bench.sql("UPDATE integrations SET key_token = 'no token' WHERE id = :i", i=garbled)
    with pytest.raises(Unavailable, match=f"integration {disabled}, {deleted}, {garbled} is"):
        check(bench, NEW)
    with pytest.raises(Unavailable, match=f"integration {garbled} is"):
        check(bench, OLD)
    bench.sql("UPDATE integrations SET enabled = false WHERE id <> :i", i=deleted)
    bench.sql("UPDATE integrations SET deleted_at = now() WHERE id = :i", i=deleted)
    check(bench, NEW)


def test_no_row_has_a_key_except_as_a_token(bench: Bench) -> None:
    bench.integration(KEY)
    bench.sent([n.id for n in bench.ingest(an_event()).pending])
    for table in (
        "integrations",
        "notifications",
        "attempts",
        "rate_limits",
        "events",
        "installation",
    ):
        for row in bench.sql(f"SELECT t::text AS text FROM {table} t"):
            assert KEY.reveal() not in row["text"]
            assert KEY.reveal().encode().hex() not in row["text"]
