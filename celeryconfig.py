"""Celery's settings, as flat names; each is chosen so that nothing is lost (docs/decisions/0002)."""

from datetime import timedelta
from typing import Any

from wallarm_notify import task_names
from wallarm_notify.domain.drill import RUN_EVERY
from wallarm_notify.ingest_queue import ingest_queue, our_queue
from wallarm_notify.redis_options import KEEPALIVE
from wallarm_notify.settings import settings
from wallarm_notify.tls import use_ssl

_settings = settings()
_broker = _settings.read_broker()
_on_redis = _broker.is_redis
# Redis knows one kind of queue.
_queue_type = "classic" if _on_redis else _settings.events_queue_type

broker_url = _broker.url
broker_use_ssl = use_ssl(_broker, _settings.trusted()) or False
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# A refusal by the broker, as by a Redis that has become a replica, ends no worker: it connects again.
broker_channel_error_retry = True
broker_pool_limit = 10
# How long a publish tries to reach a broker that is away: SWEEP enqueues what it gives up.
_soon = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}
broker_transport_options: dict[str, Any] = _soon | (
    {
        # A killed worker's messages are handed out again after this, and at most 2 s more.
        "visibility_timeout": _settings.visibility_timeout,
        "unacked_restore_interval": 2,
        "socket_timeout": 5,
        "socket_connect_timeout": 3,
        **KEEPALIVE,
        "health_check_interval": 25,
        **_settings.redis_setup.options(_broker, _settings.trusted()),
    }
    if _on_redis
    # A publish that the broker refuses must be an error.
    else {"confirm_publish": True}
)

# The content of the other queues is in the database too. They are classic wherever new queues are of another type: no
# quorum queue takes the prefetch that grows with each countdown.
task_queues = [
    *(ingest_queue(name, _queue_type) for name in task_names.INGEST_QUEUES),
    *(our_queue(name, _queue_type) for name in task_names.OUR_QUEUES),
]
task_default_queue = task_names.DEFAULT_QUEUE
task_create_missing_queues = True
task_routes = {
    task_names.INGEST: {"queue": task_names.EVENTS_QUEUE},
    task_names.INGEST_CALLS: {"queue": task_names.EVENTS_QUEUE},
    task_names.DELIVER: {"queue": task_names.NOTIFICATIONS_QUEUE},
    task_names.SWEEP: {"queue": task_names.UPKEEP_QUEUE},
    task_names.REVIEW: {"queue": task_names.UPKEEP_QUEUE},
    task_names.PRUNE: {"queue": task_names.UPKEEP_QUEUE},
    task_names.DRILL: {"queue": task_names.UPKEEP_QUEUE},
    task_names.REPLAY: {"queue": task_names.UPKEEP_QUEUE},
}
task_serializer = "json"
accept_content = ["json"]
task_ignore_result = True
task_store_eager_result = False
# A message is acknowledged when its work is done, and handed back when its worker dies.
task_acks_late = True
task_reject_on_worker_lost = True
task_publish_retry = True
task_publish_retry_policy = {
    "max_retries": 2,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.5,
}

worker_prefetch_multiplier = 1
worker_hijack_root_logger = False
worker_cancel_long_running_tasks_on_connection_loss = False
worker_consumer = "wallarm_notify.broker.consumer:KeepingConsumer"

beat_scheduler = "wallarm_notify.broker.beat_scheduler:SteadyScheduler"
beat_max_loop_interval = 1
beat_schedule = {
    "sweep": {
        "task": task_names.SWEEP,
        "schedule": timedelta(seconds=_settings.sweep_seconds),
        "options": {"argsrepr": "()", "kwargsrepr": "what is overdue"},
    },
    "review": {
        "task": task_names.REVIEW,
        "schedule": timedelta(seconds=_settings.review_seconds),
        "options": {"argsrepr": "()", "kwargsrepr": "the failure ratios"},
    },
    "prune": {
        "task": task_names.PRUNE,
        "schedule": timedelta(seconds=_settings.prune_seconds),
        "options": {"argsrepr": "()", "kwargsrepr": "what is past its retention"},
    },
}
if _settings.drill_hours:
    # Workers from before do not know the task: it is sent only where somebody asked for it.
    beat_schedule["drill"] = {
        "task": task_names.DRILL,
        "schedule": RUN_EVERY,
        "options": {"argsrepr": "()", "kwargsrepr": "proofs that are due"},
    }
timezone = "UTC"
