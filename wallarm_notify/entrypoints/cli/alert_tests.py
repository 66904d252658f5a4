"""What the command line prints of the answers to test alerts."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import Progress, TextColumn

from wallarm_notify.domain.advice import advice_on
from wallarm_notify.domain.drill import is_unknown_key
from wallarm_notify.domain.outcome import Answer, message_of
from wallarm_notify.entrypoints.cli.drills import unknown_key_words
from wallarm_notify.entrypoints.cli.output import (
    error_console,
    print_advice,
    print_json,
    print_line,
    print_note,
    print_table,
)
from wallarm_notify.entrypoints.cli.tables import fixed, number
from wallarm_notify.schemas.documents.integrations import alert_answers_document
from wallarm_notify.services.send_test_alerts import AlertsTested, Target


@contextmanager
def counted_seconds(at_most: float) -> Iterator[None]:
    """Count the seconds on a terminal while the answers are awaited, which takes ``at_most`` so many."""
    console = error_console()
    shown = f"Waiting for PagerDuty's answers, at most {at_most:g} s: {{task.elapsed:.0f}} s"
    with Progress(
        TextColumn(shown), console=console, disable=not console.is_terminal, transient=True
    ) as progress:
        progress.add_task("", total=None)
        yield


def announce(target: Target, *, closes: bool) -> None:
    """Say what is about to be sent to whom, before it is."""
    after = "; they are closed at once" if closes else "; --resolve closes them at once"
    print_note(
        f"Sends {len(target.alerts)} alerts to PagerDuty ({target.region.upper()}) by the key {target.key}; may page "
        f"whoever is on call{after}."
    )


def print_tested(tested: AlertsTested, integration_id: int | None, *, as_json: bool) -> None:
    """Print what PagerDuty answered to each test alert, or the network error, and what to do about it.

    ``integration_id`` is None for a key that is not saved.
    """
    if as_json:
        print_json(alert_answers_document(tested.answers, tested.other_region, tested.closed))
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
            for one in tested.answers
        ],
        nothing="",
    )
    print_line(f"{tested.passed} of {len(tested.answers)} test alerts were taken.")
    if tested.closed is not None and tested.passed:
        rest = "" if tested.closed == tested.passed else " Resolve the others in PagerDuty."
        print_line(f"{tested.closed} of {tested.passed} were closed again.{rest}")
    print_advice(
        advice_on(one.answer.reason, one.answer.status, one.answer.response)
        for one in tested.answers
        if not is_unknown_key(one.answer)
    )
    if any(is_unknown_key(one.answer) for one in tested.answers):
        print_line(unknown_key_words(tested.other_region, integration_id))


def _answer(answer: Answer) -> str:
    if answer.status is None:
        return f"{answer.reason}: {answer.response}"
    return message_of(answer.response)
