"""The sentences by which the command line says what to do after a refusal."""

from __future__ import annotations

import pytest

from wallarm_notify.domain.errors import Hint, NotFound, NotifyError, Refused, Todo
from wallarm_notify.entrypoints.cli.hints import WORDS, in_words


@pytest.mark.parametrize("todo", Todo)
def test_each_hint_has_a_sentence(todo: Todo) -> None:
    output = in_words(Refused("It is so.", hint=Hint(todo, 4711)))
    assert output.startswith("It is so; ")
    assert "{" not in output
    assert output.removeprefix("It is so; ")


def test_no_sentence_is_left_of_a_hint_that_does_not_exist() -> None:
    assert set(WORDS) == set(Todo)


@pytest.mark.parametrize(
    ("error", "output"),
    [
        (NotifyError("It is away."), "It is away."),
        (Refused("It is so."), "It is so."),
        (Refused("there is none.", field="key"), "key: there is none."),
        (
            Refused("Integration 3 is disabled.", hint=Hint(Todo.ENABLE_INTEGRATION, 3)),
            "Integration 3 is disabled; enable it first: wallarm-notify integrations enable 3",
        ),
        (
            Refused("it is cut.", field="body", hint=Hint(Todo.MEND)),
            "body: it is cut; mend it with --file.",
        ),
        (
            NotFound("There is no rejected event 5.", hint=Hint(Todo.SEE_REJECTED)),
            "There is no rejected event 5; see: wallarm-notify events rejected",
        ),
        (
            NotFound("No call 5 is set aside.", hint=Hint(Todo.SEE_SET_ASIDE)),
            (
                "No call 5 is set aside; see: wallarm-notify events set-aside. One that a worker has stored meanwhile "
                "is there no more."
            ),
        ),
    ],
)
def test_field_and_hint_are_added_to_the_sentence(error: NotifyError, output: str) -> None:
    assert in_words(error) == output
