"""``wallarm-notify users`` and ``tokens``, and the parents of clients, on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from wallarm_notify.domain.errors import NotAuthenticated
from wallarm_notify.domain.scope import only
from wallarm_notify.domain.token import Presented
from wallarm_notify.services.authenticate import authenticate

if TYPE_CHECKING:
    from entrypoints.command_line import CommandLine

ANA: Final = ("--client", 1, "--email", "Ana@example.com", "--name", "Ana", "--role", "admin")
BY: Final = ("--by", "Ops")


def token(line: CommandLine, *words: object) -> Any:
    given = words or ("--client", 1, "--role", "admin")
    return line.json("tokens", "create", *given, *BY)


def client_of(line: CommandLine, **presented: str) -> int | None:
    """Return the client of whom this lets in."""
    shown = Presented(**presented)
    return authenticate(line.wiring.context, shown, "192.0.2.1", datetime.now(UTC)).client_id


def test_a_user_is_created_listed_disabled_and_enabled(line: CommandLine) -> None:
    made = line.ok("users", "create", *ANA, *BY)
    assert made == "User 1, ana@example.com, admin of client 1: enabled.\n"
    assert line.ok("users", "disable", 1, *BY).endswith(": disabled.\n")
    assert re.search(r"ana@example.com +Ana +admin +disabled", line.ok("users", "list"))
    assert line.ok("users", "enable", 1, *BY).endswith(": enabled.\n")
    assert line.ok("users", "list", "--client", 2) == "No users.\n"
    lines = line.json("activity", "list")["items"]
    who = {"name": "Ops", "role": "operator", "source": "command_line"}
    assert [(one["action"], one["object_type"], one["actor"]) for one in lines] == [
        (action, "user", who) for action in ("enabled", "disabled", "created")
    ]


def test_an_operator_belongs_to_no_client(line: CommandLine) -> None:
    words = ("--all-clients", "--email", "o@example.com", "--name", "O", "--role", "operator")
    made = line.ok("users", "create", *words)
    assert made == "User 1, o@example.com, operator of all clients: enabled.\n"


def test_a_token_is_printed_once_and_lets_its_owner_in(line: CommandLine) -> None:
    line.ok("users", "create", *ANA)
    words = ("--client", 1, "--role", "admin", "--user", "ana@example.com", "--name", "CI")
    printed = line("tokens", "create", *words, "--with-uuid", "--expires", "90d")
    out = printed.stdout
    assert printed.stderr == "It is shown this once. Keep it where nobody else reads it.\n"
    assert re.match(r"Token 1, «CI», admin of client 1: valid until \d{4}-\d\d-\d\d ", out)
    found = dict(re.findall(r"^(Token|UUID|Secret): (\S+)$", out, re.MULTILINE))
    assert client_of(line, token=found["Token"]) == 1
    assert client_of(line, uuid=found["UUID"], secret=found["Secret"]) == 1
    line.ok("tokens", "renew", 1)
    line.ok("tokens", "disable", 1)
    for listing in ("tokens list", "tokens list --json", "activity list --json"):
        shown = line.ok(*listing.split())
        assert not any(found[name][5:] in shown for name in ("Token", "Secret"))


def test_a_renewed_token_is_another_and_a_disabled_one_is_none(line: CommandLine) -> None:
    made = token(line, "--all-clients", "--role", "producer", "--name", "billing")
    again = line.json("tokens", "renew", made["id"], "--expires", "1h", *BY)
    assert client_of(line, token=again["token"]) is None
    with pytest.raises(NotAuthenticated):
        client_of(line, token=made["token"])
    shown = line.ok("tokens", "disable", made["id"], *BY)
    assert shown == f"Token {made['id']}, «billing», producer of all clients: disabled.\n"
    with pytest.raises(NotAuthenticated):
        client_of(line, token=again["token"])


def test_a_listing_says_which_tokens_let_somebody_in(line: CommandLine) -> None:
    for _ in range(3):
        token(line)
    line.ok("tokens", "disable", 2)
    line.sql("UPDATE tokens SET expires_at = now() - interval '1 minute' WHERE id = 3")
    listed = line.ok("tokens", "list")
    assert re.findall(r"^ *(\d) .* (enabled|disabled|expired)\b", listed, re.MULTILINE) == [
        ("1", "enabled"),
        ("2", "disabled"),
        ("3", "expired"),
    ]


def test_the_json_of_a_listing_has_nothing_that_lets_anybody_in(line: CommandLine) -> None:
    made = token(line, "--client", 1, "--role", "admin", "--with-uuid")
    (listed,) = line.json("tokens", "list")["items"]
    assert "token" not in listed
    assert "secret" not in listed
    assert listed["first_characters"] == made["token"][:5]
    assert listed["uuid"] == made["uuid"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("users create --client 1 --email a --name A --role admin", "email: give an e-mail"),
        ("users create --client 1 --email a@b --name A --role boss", "role: give one of operator"),
        ("users create --client 1 --email a@b --name A --role producer", "role: give one of "),
        ("tokens create --client 1 --role system", "role: give one of operator, admin"),
        ("tokens create --client 1 --role operator", "role: operator is of all clients"),
        ("tokens create --all-clients --role admin", "role: admin is of one client"),
        ("tokens create --client 1 --role admin --user a@b", "user: no user of client 1 has"),
        ("tokens create --client 1 --role admin --expires soon", "expires: «soon» is no time"),
        ("tokens create --client 1 --role admin --expires 2026-03-01", "expires: 2026-03-01 00:00"),
        ("tokens create --client 1 --role admin --by failure\u00a0ratio", "by: give at most 500"),
        ("tokens renew 7", "There is no token 7."),
        ("tokens disable 7", "There is no token 7."),
        ("users enable 7", "There is no user 7."),
        ("clients set 1 --parent 1", "parent: a client is not its own parent."),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    line: CommandLine, words: str, sentence: str
) -> None:
    assert line.refusal(*words.split(" ")).startswith(sentence)


@pytest.mark.parametrize("of", [(), ("--client", 1, "--all-clients")])
@pytest.mark.parametrize(
    "words",
    [("tokens", "create", "--role", "operator"),
     ("users", "create", "--email", "a@b.c", "--name", "A", "--role", "operator")],
)  # fmt: skip
def test_all_clients_are_meant_by_nobody_who_does_not_say_so(
    line: CommandLine, words: tuple[str, ...], of: tuple[object, ...]
) -> None:
    result = line(*words, *of)
    assert result.exit_code == 2
    assert "Give one of --client and --all-clients." in result.output


def test_a_client_has_a_parent_and_is_closed(line: CommandLine) -> None:
    made = token(line, "--client", 1, "--role", "partner_admin")
    line.ok("clients", "set", 2, "--parent", 1)
    shown = Presented(token=made["token"])
    caller = authenticate(line.wiring.context, shown, "192.0.2.1", datetime.now(UTC))
    assert caller.scope == only([1, 2])
    assert "Parent   1" in line.ok("clients", "set", 2, "--access", "off")
    assert line.json("clients", "set", 2, "--no-parent") == {
        "id": 2,
        "name": "Client 2",
        "cloud": "us",
        "partner_name": "Wallarm",
        "parent_id": None,
        "access": False,
    }
    both = line("clients", "set", 2, "--no-parent", "--parent", 1)
    assert (both.exit_code, "Give one of --parent and --no-parent." in both.output) == (2, True)


def test_an_end_is_a_time_or_a_duration(line: CommandLine) -> None:
    made = token(line, "--client", 1, "--role", "admin", "--expires", "90d")
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89, hours=23) < left <= timedelta(days=90)
    dated = token(line, "--client", 1, "--role", "admin", "--expires", "2099-01-01")
    assert dated["expires_at"] == "2099-01-01T00:00:00+00:00"
