"""The operator's other commands: schema, ledger, clients, secrets, addresses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import sqlalchemy as sa
from build import a_rejection, a_user_event, an_attack, an_event
from cryptography.fernet import Fernet

from wallarm_notify.domain.client import CLOUD_ADDRESSES
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.prune import prune
from wallarm_notify.settings import settings
from wallarm_notify.store.schema_check import newest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrypoints.command_line import CommandLine


@pytest.fixture
def empty(
    line: CommandLine, database_server: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CommandLine]:
    """The command line on a database that was never migrated."""
    engine = sa.create_engine(database_server, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    name = f"wallarm_notify_empty_{uuid4().hex}"
    url = sa.make_url(database_server).set(database=name)
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
        monkeypatch.setenv("WALLARM_NOTIFY_DATABASE_URL", url.render_as_string(hide_password=False))
        settings.cache_clear()
        yield line
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


def test_upgrade_prints_the_versions_before_and_after(empty: CommandLine) -> None:
    output = empty.ok("db", "upgrade")
    assert output.startswith("The database is upgraded from empty to version ")
    version = output.removesuffix(".\n").split()[-1]
    assert empty.json("db", "upgrade") == {"from": version, "to": version}
    assert empty.ok("db", "upgrade") == f"The database has version {version} already.\n"


@pytest.mark.parametrize(
    "words",
    ["ledger", "clients list", "integrations show 1", "notifications list", "events rejected",
     "notifications replay 1", "secrets rotate", "integrations enable 1"],
)  # fmt: skip
def test_a_database_that_is_not_migrated_is_refused_with_what_to_do(
    empty: CommandLine, words: str
) -> None:
    assert empty.refusal(*words.split()) == (
        f"The database is empty, this program needs version {newest()}; run: wallarm-notify db upgrade"
    )


def test_the_ledger_balances(line: CommandLine) -> None:
    line.integration()
    ingest(line.wiring.context, [an_event(), a_user_event(), an_attack()], [a_rejection()])
    assert line.json("ledger") == {
        "received": 4,
        "rejected": 1,
        "unmatched": 2,
        "matched": 1,
        "rejected_not_kept": 0,
        "undecodable": 0,
        "set_aside": 0,
        "undecodable_not_kept": 0,
        "ahead": 0,
        "notifications": {
            "pending": 1, "retrying": 0, "delivered": 0, "failed": 0, "cancelled": 0, "skipped": 0,
        },
        "balanced": True,
        "checked_at": None,
    }  # fmt: skip
    output = line.ok("ledger")
    assert "Not checked against its rows yet: PRUNE does so, once a day.\nIt balances." in output
    assert "events received" in output


def test_the_ledger_says_when_it_was_last_checked_against_its_rows(line: CommandLine) -> None:
    line.integration()
    ingest(line.wiring.context, [an_event()], ())
    for _ in range(2):
        prune(line.wiring.context)
        line.sql("UPDATE upkeep_runs SET began_at = began_at - interval '1 hour'")
    line.sql("UPDATE ledger_check SET checked_at = '2026-03-01 12:00:00+00'")
    assert "Last checked against its rows: 2026-03-01 12:00:00Z." in line.ok("ledger")
    assert line.json("ledger")["checked_at"] == "2026-03-01T12:00:00+00:00"


def test_a_recount_counts_every_row(line: CommandLine) -> None:
    line.integration()
    ingest(line.wiring.context, [an_event()], ())
    assert "Every row was counted.\nIt balances." in line.ok("ledger", "--recount")
    line.sql("DELETE FROM notifications")
    assert line.json("ledger")["balanced"]
    result = line("ledger", "--recount")
    assert result.exit_code == 1
    assert "- pending notifications of origin card: 1 counted, but 0 rows" in result.stdout


def test_a_ledger_that_does_not_balance_is_status_1_with_its_findings(line: CommandLine) -> None:
    line.integration()
    ingest(line.wiring.context, [an_event()], ())
    line.sql("UPDATE counts SET value = 2 WHERE kind = 'made:card'")
    result = line("ledger")
    assert result.exit_code == 1
    assert "It does not balance:" in result.stdout
    finding = "notifications of origin card: 2 made, but 1 stored and 0 pruned"
    assert f"- {finding}" in result.stdout
    result = line("ledger", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["balanced"] is False
    assert finding in result.stderr


def test_clients_have_defaults_where_nothing_was_set(line: CommandLine) -> None:
    line.integration()
    named = line.json("clients", "set", 5, "--name", "Example Corp", "--cloud", "eu")
    standing = {"partner_name": "Wallarm", "parent_id": None, "access": True}
    assert named == {"id": 5, "name": "Example Corp", "cloud": "eu", **standing}
    assert "Reseller" in line.ok("clients", "set", 5, "--partner", "Reseller")
    first = line.json("clients", "list", "--limit", 1)
    assert first == {
        "items": [{"id": 1, "name": "Client 1", "cloud": "us", **standing}],
        "next": "1",
        "searched_back_to": None,
    }
    second = line.json("clients", "list", "--cursor", "1")
    assert second == {
        "items": [{**named, "partner_name": "Reseller"}],
        "next": None,
        "searched_back_to": None,
    }
    output = line.ok("clients", "list")
    assert "Example Corp" in output
    assert "EU" in output


def test_wrong_values_of_a_client_are_refused(line: CommandLine) -> None:
    assert line("clients", "set", 5).exit_code == 2
    assert line("clients", "set", 5, "--cloud", "mars").exit_code == 2
    assert line("clients", "set", -5, "--name", "x").exit_code == 2
    assert "partner: give 1 to 200" in line.refusal("clients", "set", 5, "--partner", " ")
    assert "cursor" in line.refusal("clients", "list", "--cursor", "x")


def test_rotate_encrypts_everything_with_the_newest_key(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = line.integration()
    old = line.environment["WALLARM_NOTIFY_SECRET_KEYS"]
    new = line.json("secrets", "generate")["secret_key"]
    use(f"{new},{old}", monkeypatch)
    assert line.json("secrets", "rotate") == {"rotated": 2, "unreadable": []}
    use(new, monkeypatch)
    assert line.ok("secrets", "rotate") == "2 secrets encrypted with the newest key.\n"
    assert line.json("integrations", "test", number)["passed"] is True


def test_rotate_without_the_old_key_changes_nothing(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.integration()
    use(line.ok("secrets", "generate").strip(), monkeypatch)
    assert "Add the old key after the new one" in line.refusal("secrets", "rotate")
    assert "WALLARM_NOTIFY_SECRET_KEYS lacks the key" in line.refusal("integrations", "test", 1)


def test_rotate_names_integrations_whose_key_cannot_be_decrypted(line: CommandLine) -> None:
    number = line.integration()
    line.sql("UPDATE integrations SET key_token = 'x'")
    result = line("secrets", "rotate")
    assert (result.exit_code, result.stdout) == (1, "1 secret encrypted with the newest key.\n")
    assert f"stored of integration {number}; add" in result.stderr


def test_generate_makes_a_fernet_key(bare: CommandLine) -> None:
    Fernet(bare.ok("secrets", "generate").strip())


def test_cloud_ips_need_no_setting(bare: CommandLine) -> None:
    everything = bare.json("cloud-ips")["items"]
    assert {i["cloud"]: tuple(i["addresses"]) for i in everything} == CLOUD_ADDRESSES
    output = bare.ok("cloud-ips", "--cloud", "me")
    assert "34.166.215.174" in output
    assert "34.102.90.100" not in output
    assert bare("cloud-ips", "--cloud", "mars").exit_code == 2


@pytest.mark.parametrize(
    "words",
    ["ledger", "clients list", "integrations list", "notifications list", "events rejected"],
)
def test_commands_that_only_read_need_only_the_database(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.delenv("WALLARM_NOTIFY_SECRET_KEYS")
    monkeypatch.delenv("WALLARM_NOTIFY_BROKER_URL")
    settings.cache_clear()
    line.json(*words.split())


def test_after_a_restore_what_may_be_sent_again_is_shown_and_cancelled_where_asked(
    line: CommandLine,
) -> None:
    assert line.ok("db", "restored") == "The database is empty.\n"
    number = line.integration("--subscribe", "security_issue", "--name", "On-call")
    assert "Nothing that may have been sent since is open" in line.ok("db", "restored")
    ingest(line.wiring.context, [an_event()], ())
    shown = line.ok("db", "restored")
    assert "The last that this database knows of was at 20" in shown
    assert "On-call" in shown
    assert "1 notification and 0 open replays may have been done since the backup." in shown
    early = line.refusal("db", "restored", "--lost-at", "2015-01-01")
    assert early.startswith("lost-at: it knows of 20")
    before = line.json("db", "restored")
    assert ([one["notifications"] for one in before["may_be_sent"]], before["cancelled_at"]) == (
        [1],
        None,
    )
    done = line.ok("db", "restored", "--cancel", "--user", "Ops")
    assert "1 notification and 0 open replays cancelled." in done
    since = done.split("--ended-since ")[1].strip()
    options = ("--integration", number, "--state", "cancelled", "--ended-since", since, "--yes")
    assert "restored" in line.ok("notifications", "show", 1)
    event_id = line.json("events", "list")["items"][0]["id"]
    why = line.ok("events", "show", event_id, "--client", 1)
    assert "the database was restored from a backup" in " ".join(why.split())
    assert line.json("notifications", "replay", *options) == {"replayed": 1}
    assert line.refusal("db", "restored", "--lost-at", "then").startswith("lost-at: «then» is no")


def use(keys: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_SECRET_KEYS", keys)
    settings.cache_clear()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--wait", "soon"), "«soon» is no duration; give one as 30s, 10m, 6h, 51m8s or 2 days."),
        (("--wait", "2h"), "«2h» will not do; give 1h at most."),
    ],
)
def test_a_doctor_waits_for_a_duration_of_an_hour_at_most(
    bare: CommandLine, words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in bare.refusal("doctor", *words)


def test_a_doctor_that_watches_does_not_wait(bare: CommandLine) -> None:
    result = bare("doctor", "--watch", "--wait", "1m")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--watch goes without --json and --wait." in result.stderr
