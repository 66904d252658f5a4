"""Upkeep tasks: beat's sweep, review, prune and drill, and replay."""

import logging

from tasks.process import wiring
from wallarm_notify import task_names
from wallarm_notify.broker.app import app
from wallarm_notify.broker.unread import bring_in
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.words import counted
from wallarm_notify.services.computations import is_any_computation_idle
from wallarm_notify.services.drill import run_drills
from wallarm_notify.services.prune import prune as run_prune
from wallarm_notify.services.replay_jobs import replayed_words, work_on_replay_jobs
from wallarm_notify.services.review import review as run_review
from wallarm_notify.services.set_aside import try_again
from wallarm_notify.services.sweep import sweep as run_sweep

log = logging.getLogger(__name__)


@app.task(name=task_names.SWEEP)
def sweep() -> str:
    """Enqueue again the notifications that are overdue and that no worker has; return what was done.

    Where a computation is open that no worker has, this process begins it.
    """
    unread = bring_in(app)
    try:
        tried = try_again(wiring().context)
        words = run_sweep(wiring().context).words
        if is_any_computation_idle(wiring().context):
            wiring().computing.begin()
        words += f", {counted(tried, 'call')} tried again" if tried else ""
        return words + (f", {counted(unread, 'message')} brought in" if unread else "")
    except NotifyError as error:
        log.warning("sweep.not_now", extra={"error": str(error)})
        return f"not now: {error}"


@app.task(name=task_names.REVIEW)
def review() -> str:
    """Disable integrations whose requests failed too often, after warnings; return what was done."""
    try:
        return run_review(wiring().context).words
    except NotifyError as error:
        log.warning("review.not_now", extra={"error": str(error)})
        return f"not now: {error}"


@app.task(name=task_names.PRUNE)
def prune() -> str:
    """Delete what ended longer ago than the retention; return what was done."""
    try:
        return run_prune(wiring().context).words
    except NotifyError as error:
        log.warning("prune.not_now", extra={"error": str(error)})
        return f"not now: {error}"


@app.task(name=task_names.DRILL)
def drill() -> str:
    """Prove the keys and ways of integrations that are due, without paging anybody; return what was done."""
    try:
        parts = wiring()
        return run_drills(parts.context, parts.send_resolve).words
    except NotifyError as error:
        log.warning("drill.not_now", extra={"error": str(error)})
        return f"not now: {error}"


@app.task(name=task_names.REPLAY)
def replay() -> str:
    """Begin computations, and work on replay jobs for a while; return what was done."""
    try:
        wiring().computing.begin()
        return replayed_words(work_on_replay_jobs(wiring().context))
    except NotifyError as error:
        log.warning("replay.not_now", extra={"error": str(error)})
        return f"not now: {error}"
