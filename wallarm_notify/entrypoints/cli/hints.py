"""The sentences by which the command line says what to do after a refusal."""

from typing import Final

from wallarm_notify.domain.errors import NotifyError, Refused, Todo

WORDS: Final = {
    Todo.ENABLE_INTEGRATION: "enable it first: wallarm-notify integrations enable {about}",
    Todo.SEE_REJECTED: "see: wallarm-notify events rejected",
    Todo.SEE_UNDECODABLE: "see: wallarm-notify events undecodable",
    Todo.SEE_SET_ASIDE: (
        "see: wallarm-notify events set-aside. One that a worker has stored meanwhile is there no more."
    ),
    Todo.GIVE_WHOLE_EVENT: "give the whole event with --file.",
    Todo.GIVE_WHOLE_MESSAGE: "give the whole message with --file.",
    Todo.MEND: "mend it with --file.",
}


def in_words(error: NotifyError) -> str:
    """Return the sentence of ``error``, with what to do where it has a hint."""
    if not isinstance(error, Refused) or error.hint is None:
        return str(error)
    words = WORDS[error.hint.todo].format(about=error.hint.about)
    return f"{str(error).removesuffix('.')}; {words}"
