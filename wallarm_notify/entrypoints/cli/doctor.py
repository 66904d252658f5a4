"""``wallarm-notify doctor``: what of the installation is well, odd or bad, and what to do."""

import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from wallarm_notify.domain.diagnosis import Diagnosis, Finding, Grade, diagnosis_of
from wallarm_notify.domain.errors import Refused
from wallarm_notify.entrypoints.cli.options import LINE, example, json_option, read_duration
from wallarm_notify.entrypoints.cli.output import print_fields, print_json, print_line
from wallarm_notify.entrypoints.cli.parts import read_settings, wiring
from wallarm_notify.entrypoints.cli.program import FAILED
from wallarm_notify.schemas.documents.diagnosis import diagnosis_document
from wallarm_notify.task_names import QUEUES

if TYPE_CHECKING:
    from wallarm_notify.bootstrap import Wiring
    from wallarm_notify.services.diagnose import Examination

WATCH_SECONDS: Final = 5.0
"""The time between two diagnoses of ``--watch``."""

WAIT_SECONDS: Final = 1.0
"""The time between two diagnoses of ``--wait``."""

LONGEST_WAIT: Final = timedelta(hours=1)

_REGIONS: Final = ("us", "eu")

_SET: Final = (
    "Set it right in the environment or in .env; docs/reference/settings.md has all of them."
)


@click.command(epilog=example("wallarm-notify doctor", "wallarm-notify doctor --wait 2m"))
@json_option
@click.option("--watch", is_flag=True, help="Look again every 5 s, until Ctrl-C.")
@click.option(
    "--wait",
    metavar="DURATION",
    type=LINE,
    default="0",
    help="Look again each second until nothing is bad, for so long at most, as 2m: workers and beat are seen some "
    "seconds after their start.",
)
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, watch: bool, wait: str) -> None:
    """Show what is well, odd or bad, and what to do; exit status 1 if something is bad.

    Run it where a worker runs, with its settings: it looks at database, broker, workers, beat, PagerDuty's hosts,
    clocks, keys and what producers send. It pages nobody.
    """
    longest = _wait(wait)
    if watch and (as_json or longest):
        raise click.UsageError("--watch goes without --json and --wait.")
    found = None
    with contextlib.suppress(KeyboardInterrupt):
        if watch:
            for found in _diagnoses(WATCH_SECONDS):
                click.clear()
                _print(found, as_json=False)
        else:
            found = _settled(longest)
            _print(found, as_json=as_json)
    if found is None or found.is_bad:
        ctx.exit(FAILED)


def _wait(text: str) -> timedelta:
    longest = read_duration(text, "wait")
    if longest > LONGEST_WAIT:
        raise Refused(f"«{text}» will not do; give 1h at most.", field="wait")
    return longest


def _diagnoses(seconds: float) -> Iterator[Diagnosis]:
    while True:
        yield _diagnosis()
        time.sleep(seconds)


def _settled(longest: timedelta) -> Diagnosis:
    """Return the first diagnosis in which nothing is bad, or the last that is made before ``longest`` is over."""
    end = time.monotonic() + longest.total_seconds()
    return next(
        found
        for found in _diagnoses(WAIT_SECONDS)
        if not found.is_bad or time.monotonic() + WAIT_SECONDS >= end
    )


def _diagnosis() -> Diagnosis:
    from wallarm_notify.services.diagnose import diagnose  # noqa: PLC0415 - only this command
    from wallarm_notify.settings import SettingsError  # noqa: PLC0415 - see above

    try:
        has_keys = read_settings().secret_keys is not None
        parts = wiring(keys=has_keys, broker=True)
        settings = Finding("settings", Grade.GOOD, "The settings of this process are in order.")
    except SettingsError as error:
        return diagnosis_of([Finding("settings", Grade.BAD, str(error), _SET)])
    if not has_keys:
        settings = Finding(
            "settings",
            Grade.ODD,
            "WALLARM_NOTIFY_SECRET_KEYS is not set here, so nobody knows whether it opens the stored keys.",
            "Run this with the settings of a worker that delivers.",
        )
    others = [lambda: [settings], *_examinations(parts)]
    return diagnose(parts.context, QUEUES, others, keys=has_keys)


def _examinations(parts: "Wiring") -> "list[Examination]":
    """Return what looks at the broker and at PagerDuty's hosts."""
    from wallarm_notify.broker.app import app  # noqa: PLC0415 - Celery, only for this
    from wallarm_notify.broker.diagnosis import examine_broker  # noqa: PLC0415 - see above
    from wallarm_notify.pagerduty.diagnosis import examine_host  # noqa: PLC0415 - requests, only for this

    settings = parts.settings

    def examine(region: str) -> list[Finding]:
        return [examine_host(region, settings.pagerduty_url(region), settings.trusted())]

    return [
        partial(
            examine_broker, app, settings.events_queue_type, may_evict=settings.broker_may_evict
        ),
        *(partial(examine, region) for region in _REGIONS),
    ]


def _print(found: Diagnosis, *, as_json: bool) -> None:
    if as_json:
        print_json(diagnosis_document(found))
        return
    print_line(found.sentence)
    print_line("")
    print_fields(line for finding in found.findings for line in _lines_of(finding))


def _lines_of(finding: Finding) -> list[tuple[str, str]]:
    lines = [(f"{finding.grade:<4}  {finding.part}", finding.sentence)]
    if finding.todo is not None:
        lines.append(("", f"What to do: {finding.todo}"))
    return lines
