"""Reports of delivery tasks, each made once all of its claim is recorded or given back.

One report a task, not one a notification. Where nobody watches tasks, claims name no task and nothing is
reported (``broker.watched_request``).
"""

import logging
from collections.abc import Iterable, Sequence

from wallarm_notify.domain.delivery_report import Fate, fate_after, kind_of, report_of
from wallarm_notify.domain.sending import Claim
from wallarm_notify.pagerduty.client import Response
from wallarm_notify.sender.in_flight import Dispatch
from wallarm_notify.services.ports import Reporter
from wallarm_notify.services.record import Recorded

log = logging.getLogger(__name__)


class Reports:
    """The reports of one process; the recorder alone calls it. ``reporter``: None if nothing is to be reported."""

    def __init__(self, reporter: Reporter | None) -> None:
        self._reporter = reporter

    def note(self, dispatches: Iterable[Dispatch], fate: Fate) -> None:
        """Note what came of notifications that were not recorded."""
        for dispatch in dispatches:
            self._note(dispatch, fate)

    def note_recorded(self, responses: Sequence[Response[Dispatch]], done: Recorded) -> None:
        """Note what came of notifications by their record."""
        if self._reporter is None:
            return
        states = {n.id: n.state for n in done.changed}
        for response in responses:
            state = states.get(response.tag.sending.notification.id)
            self._note(response.tag, fate_after(state), kind_of(response.answer))

    def _note(self, dispatch: Dispatch, fate: Fate, kind: str = "") -> None:
        task = dispatch.claim.task
        if task is None:
            return
        was = len(task.fates)
        task.note(dispatch.sending.notification.id, fate, kind)
        if was < len(task.fates) == len(dispatch.claim.sendings):
            self.report(dispatch.claim)

    def report(self, claim: Claim) -> None:
        """Report the task of ``claim``, which is over."""
        if self._reporter is not None and claim.task is not None:
            report = report_of(
                claim.task,
                asked=claim.asked,
                waiting=claim.waiting,
                cancelled=claim.cancelled,
                lost=claim.lost,
            )
            try:
                self._reporter.report(report)
            except Exception:  # outcomes are to be recorded, whoever watches
                log.exception("report.failed")
