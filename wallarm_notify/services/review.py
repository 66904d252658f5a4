"""Review: every minute, switch off what fails too often, and warn before that (spec 6)."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from wallarm_notify.domain.health import (
    WARNINGS,
    Judgement,
    Outage,
    Policy,
    Window,
    judge,
    outage_of,
)
from wallarm_notify.domain.message import counted
from wallarm_notify.domain.notification import Notification
from wallarm_notify.services.explain import (
    EvidenceQueries,
    evidence_of,
    policy_document,
    ratio_of,
)
from wallarm_notify.services.ports import Doorbell, Store
from wallarm_notify.services.switch_off import Stored, SwitchingOff, SwitchOffQueries

log = logging.getLogger(__name__)

BY: Final = "failure ratio"
"""Who disabled an integration that nobody disabled."""

AUTO_DISABLED: Final = "auto_disabled"
"""The counter of automatic disablings."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """An enabled integration that may be over a line; ``warned`` is the warning that stands."""

    integration_id: int
    generation: int
    warned: int
    window: Window


@dataclass(frozen=True, slots=True)
class Crossing:
    """An integration's warning moves from ``before`` to ``now``, in per cent, 0 for none."""

    integration_id: int
    generation: int
    before: int
    now: int

    @property
    def levels(self) -> list[int]:
        """The warnings that are crossed on the way up."""
        return [level for level in WARNINGS if self.before < level <= self.now]


@dataclass(frozen=True, slots=True)
class SwitchOff:
    """An automatic disabling as it is kept."""

    integration_id: int
    generation: int
    policy: Mapping[str, Any]
    evidence: Mapping[str, Any]


class ReviewQueries(SwitchOffQueries, EvidenceQueries, Protocol):
    """What the review asks of the database."""

    def may_run(self, name: str, interval: timedelta) -> bool:
        """Whether no other run of ``name`` is under way or began within ``interval``."""
        ...

    def last_hour(self) -> list[tuple[int, int]]:
        """Of each integration's last hour: attempts, and failures that an outage would explain."""
        ...

    def begin_outage(self) -> bool:
        """Notes that PagerDuty is down; whether that was not known."""
        ...

    def end_outage(self) -> bool:
        """Notes that it is not; whether it was."""
        ...

    def survey(self, policy: Policy) -> list[Suspect]:
        """Every enabled integration that may have reached something."""
        ...

    def suspect(self, integration_id: int, generation: int, policy: Policy) -> Suspect | None:
        """One of them, as it stands now."""
        ...

    def move_warnings(self, crossings: Sequence[Crossing]) -> set[int]:
        """Notes which warnings stand; the integrations where that was still to be done."""
        ...

    def lock_integration(self, integration_id: int) -> Stored | None:
        """One integration, locked."""
        ...

    def switch_off(self, integration_id: int, *, by: str, reason: str) -> None:
        """Disables it."""
        ...

    def keep_switch_off(self, done: SwitchOff) -> None:
        """Keeps an automatic disabling with its evidence."""
        ...


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a run did."""

    disabled: tuple[int, ...] = ()
    warned: int = 0
    outage: bool = False
    ran: bool = True

    @property
    def words(self) -> str:
        """For people, and for Flower."""
        if not self.ran:
            return "another run was there first"
        text = f"{counted(len(self.disabled), 'integration')} disabled, {counted(self.warned, 'warning')}"
        return f"{text}; PagerDuty is down for most integrations" if self.outage else text


class Review:
    """Beat's errand. Two at once disable once."""

    def __init__(
        self,
        store: Store[ReviewQueries],
        doorbell: Doorbell,
        *,
        policy: Policy,
        ring: timedelta,
        interval: timedelta,
        hash_body: Callable[[Mapping[str, Any]], bytes],
    ) -> None:
        self._store = store
        self._policy = policy
        self._interval = interval
        self._off = SwitchingOff(store, doorbell, ring=ring, hash_body=hash_body)

    def run(self) -> Reviewed:
        """One run; ends at once where another is under way or has just been. Raises Unavailable."""
        if not self._store.transact(lambda tx: tx.may_run("review", self._interval * 0.8)):
            return Reviewed(ran=False)
        outage = self._look_for_outage()
        found = [
            (suspect, judge(suspect.window, self._policy))
            for suspect in self._store.transact(lambda tx: tx.survey(self._policy))
        ]
        warned = self._warn([(s, j) for s, j in found if not j.switches_off])
        disabled = [
            suspect.integration_id
            for suspect, judgement in found
            if judgement.switches_off and self._disable(suspect)
        ]
        return Reviewed(tuple(disabled), warned, outage)

    def _look_for_outage(self) -> bool:
        """Notes whether PagerDuty is down for most of us; one error says so."""

        def work(tx: ReviewQueries) -> tuple[Outage, bool]:
            hour = outage_of(tx.last_hour() if self._policy.outage_guard else ())
            return hour, tx.begin_outage() if hour.on else tx.end_outage()

        hour, news = self._store.transact(work)
        fields = {"attempted": hour.attempted, "affected": hour.affected}
        if news and hour.on:
            log.error("pagerduty.outage", extra=fields)
        elif news:
            log.warning("pagerduty.outage_over", extra=fields)
        return hour.on

    def _warn(self, found: Sequence[tuple[Suspect, Judgement]]) -> int:
        """Gives each warning once for each crossing; how many."""
        moves = {
            s.integration_id: (Crossing(s.integration_id, s.generation, s.warned, now), j)
            for s, j in found
            if (now := j.warned(s.warned)) != s.warned
        }
        if not moves:
            return 0

        def work(tx: ReviewQueries) -> set[int]:
            moved = tx.move_warnings([crossing for crossing, _ in moves.values()])
            levels = Counter(level for i in moved for level in moves[i][0].levels)
            tx.count({warning_kind(level): n for level, n in levels.items()})
            return moved

        warnings = 0
        for i in sorted(self._store.transact(work)):
            crossing, judgement = moves[i]
            for level in crossing.levels:
                warnings += 1
                log.warning(
                    "integration.failing",
                    extra={"integration": i, "level": level, **_figures(judgement)},
                )
        return warnings

    def _disable(self, suspect: Suspect) -> bool:
        """Switches off, unless it stands otherwise by now; whether it did (engine 12 and 13)."""
        off = self._store.transact(lambda tx: self._switch_off(tx, suspect))
        if off is None:
            return False
        stored, told, judgement, now = off
        self._off.finish(stored, told, now)
        fields = {"integration": stored.id, "client": stored.client_id, **_figures(judgement)}
        if any(n.integration_id != stored.id for n in told):
            log.warning("integration.auto_disabled", extra=fields)
        else:
            log.error("integration.auto_disabled", extra={**fields, "hint": "nobody else is told"})
        return True

    def _switch_off(
        self, tx: ReviewQueries, suspect: Suspect
    ) -> tuple[Stored, list[Notification], Judgement, datetime] | None:
        """The transaction: what the survey saw is looked at again under the integration's lock."""
        stored = tx.lock_integration(suspect.integration_id)
        again = tx.suspect(suspect.integration_id, suspect.generation, self._policy)
        if stored is None or again is None:
            return None
        judgement = judge(again.window, self._policy)
        if not judgement.switches_off:
            return None
        last = tx.last_answer(stored.id, tx.now, failed=True)
        last_error = None if last is None else last.words
        evidence = evidence_of(tx, stored.id, again.window, self._policy, tx.now)
        tx.switch_off(stored.id, by=BY, reason=_reason(judgement, self._policy, last_error))
        tx.keep_switch_off(
            SwitchOff(stored.id, stored.generation, policy_document(self._policy), evidence)
        )
        told = self._off.tell(
            tx,
            stored,
            "integration.auto_disabled",
            reason=_reason(judgement, self._policy, None),
            failure_ratio=ratio_of(judgement),
            attempts=judgement.counts.attempts,
            failed=judgement.counts.failed,
            last_error=last_error,
        )
        tx.count({AUTO_DISABLED: 1})
        return stored, told, judgement, tx.now


def warning_kind(level: int) -> str:
    """The counter of the warnings at ``level`` per cent."""
    return f"warned:{level}"


def _figures(judgement: Judgement) -> dict[str, object]:
    counts = judgement.counts
    return {
        "ratio": ratio_of(judgement),
        "attempts": counts.attempts,
        "failed": counts.failed,
        "left_out": judgement.left_out,
    }


def _reason(judgement: Judgement, policy: Policy, last_error: str | None) -> str:
    counts = judgement.counts
    hours = policy.window / timedelta(hours=1)
    text = (
        f"{counts.failed} of {counts.attempts} requests within {hours:g} h failed "
        f"({counts.share or 0:.1f} %, the limit is {policy.ratio:g} %)"
    )
    return text if last_error is None else f"{text}; last error: {last_error}"
