"""What the command line prints of the answers to test alerts."""

from collections.abc import Sequence

from wallarm_notify.domain.outcome import Answer, Tested, message_of
from wallarm_notify.entrypoints.cli.output import fixed, number, print_json, print_line, print_table
from wallarm_notify.schemas.documents.integrations import alert_answers_document


def print_tested(tested: Sequence[Tested], *, as_json: bool) -> None:
    """Print what PagerDuty answered to each test alert, or the network error."""
    if as_json:
        print_json(alert_answers_document(tested))
        return
    print_table(
        ["Test alert", fixed("Result"), number("Status"), "Answer"],
        [
            (
                one.summary,
                "passed" if one.passed else "failed",
                one.answer.status,
                _answer(one.answer),
            )
            for one in tested
        ],
        nothing="",
    )
    passed = sum(one.passed for one in tested)
    print_line(f"{passed} of {len(tested)} test alerts were taken.")


def _answer(answer: Answer) -> str:
    if answer.status is None:
        return f"{answer.reason}: {answer.response}"
    return message_of(answer.response)
