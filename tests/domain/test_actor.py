"""Who asks for something."""

import pytest

from wallarm_notify.domain.actor import REVIEW, Actor, Role, Source, operator
from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.scope import EVERY_CLIENT, only


def test_an_operator_is_at_the_command_line() -> None:
    assert operator("x" * 500) == Actor("x" * 500, Role.OPERATOR, Source.COMMAND_LINE)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("x" * 501, "user: give at most 500"),
        ("a\nb", "user: give at most 500"),
        ("0" * 32, "user: this holds what looks like an integration key"),
        (f" {REVIEW.name}", "user: .* stands for automatic disablings"),
    ],
    ids=["long", "not printable", "a key", "the system's own"],
)
def test_a_name_that_cannot_be_kept_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        operator(name)


def test_a_scope_of_some_clients_holds_no_other_client() -> None:
    scope = only([3, 1, 3])
    assert [scope.includes(n) for n in (1, 2, 3)] == [True, False, True]
    assert scope.parameter == [1, 3]
    scope.check(3)
    with pytest.raises(NotFound, match="There is no client 2"):
        scope.check(2)


def test_a_scope_of_no_client_holds_nothing() -> None:
    assert only([]).parameter == []
    assert not only([]).includes(1)


def test_the_scope_of_every_client_holds_each() -> None:
    assert EVERY_CLIENT.parameter is None
    EVERY_CLIENT.check(4711)
