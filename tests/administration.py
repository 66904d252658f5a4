"""The use cases of administrators, called as an operator who may do everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.actor import operator
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.manage_integrations import (
    apply_integration,
    create_integration,
    delete_integration,
    disable_integration,
    enable_integration,
)
from wallarm_notify.services.manage_triggers import (
    apply_trigger,
    create_trigger,
    delete_trigger,
    disable_trigger,
    duplicate_trigger,
    enable_trigger,
)
from wallarm_notify.services.replay import count_replayable, replay_notifications, replay_slice
from wallarm_notify.services.resubmit import resubmit_event
from wallarm_notify.services.resubmit_message import resubmit_message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from wallarm_notify.domain.event import Event, Rejection
    from wallarm_notify.domain.integration import (
        Applied,
        Draft,
        Integration,
        IntegrationChange,
        IntegrationKey,
        SwitchedOff,
    )
    from wallarm_notify.domain.routed import Routed
    from wallarm_notify.domain.triggers.trigger import (
        AppliedTrigger,
        Trigger,
        TriggerChange,
        TriggerDraft,
    )
    from wallarm_notify.domain.unsent import Unsent
    from wallarm_notify.domain.views import Wanted
    from wallarm_notify.services.context import Context
    from wallarm_notify.services.resubmit_message import Kept

SOMEBODY: Final = "an administrator"


class Administration:
    """The use cases of administrators over ``ctx``."""

    ctx: Context

    def create_integration(
        self, draft: Draft, key: IntegrationKey, user: str = SOMEBODY
    ) -> Integration:
        return create_integration(self.ctx, operator(user), EVERY_CLIENT, draft, key)

    def apply_integration(
        self, integration_id: int, change: IntegrationChange, user: str = SOMEBODY
    ) -> Applied:
        return apply_integration(self.ctx, operator(user), EVERY_CLIENT, integration_id, change)

    def update_integration(self, integration_id: int, change: IntegrationChange) -> Integration:
        return self.apply_integration(integration_id, change).integration

    def enable_integration(
        self, integration_id: int, user: str = SOMEBODY
    ) -> tuple[Integration, Unsent]:
        return enable_integration(self.ctx, operator(user), EVERY_CLIENT, integration_id)

    def disable_integration(
        self, integration_id: int, user: str = SOMEBODY, reason: str = "a test"
    ) -> SwitchedOff:
        _, done = disable_integration(
            *(self.ctx, operator(user), EVERY_CLIENT, integration_id), reason=reason
        )
        return done

    def pause_integration(
        self,
        integration_id: int,
        until: datetime,
        user: str = SOMEBODY,
        reason: str = "a test",
    ) -> SwitchedOff:
        _, done = disable_integration(
            *(self.ctx, operator(user), EVERY_CLIENT, integration_id), reason=reason, until=until
        )
        return done

    def delete_integration(
        self, integration_id: int, user: str = SOMEBODY, reason: str = "a test"
    ) -> SwitchedOff:
        return delete_integration(
            *(self.ctx, operator(user), EVERY_CLIENT, integration_id), reason=reason
        )

    def create_trigger(self, draft: TriggerDraft, user: str = SOMEBODY) -> Trigger:
        return create_trigger(self.ctx, operator(user), EVERY_CLIENT, draft)

    def apply_trigger(
        self, trigger_id: int, change: TriggerChange, user: str = SOMEBODY
    ) -> AppliedTrigger:
        return apply_trigger(self.ctx, operator(user), EVERY_CLIENT, trigger_id, change)

    def update_trigger(
        self, trigger_id: int, change: TriggerChange, user: str = SOMEBODY
    ) -> Trigger:
        return self.apply_trigger(trigger_id, change, user).trigger

    def enable_trigger(self, trigger_id: int, user: str = SOMEBODY) -> Trigger:
        return enable_trigger(self.ctx, operator(user), EVERY_CLIENT, trigger_id)

    def disable_trigger(self, trigger_id: int, user: str = SOMEBODY) -> Trigger:
        return disable_trigger(self.ctx, operator(user), EVERY_CLIENT, trigger_id)

    def pause_trigger(self, trigger_id: int, until: datetime, user: str = SOMEBODY) -> Trigger:
        return disable_trigger(self.ctx, operator(user), EVERY_CLIENT, trigger_id, until=until)

    def duplicate_trigger(
        self, trigger_id: int, user: str = SOMEBODY, name: str | None = None
    ) -> Trigger:
        return duplicate_trigger(self.ctx, operator(user), EVERY_CLIENT, trigger_id, name=name)

    def delete_trigger(self, trigger_id: int, user: str = SOMEBODY) -> Trigger:
        return delete_trigger(self.ctx, operator(user), EVERY_CLIENT, trigger_id)

    def replay_notifications(self, ids: Sequence[int], user: str = SOMEBODY) -> int:
        return replay_notifications(self.ctx, operator(user), EVERY_CLIENT, ids)

    def count_replayable(self, wanted: Wanted) -> int:
        return count_replayable(self.ctx, EVERY_CLIENT, wanted)

    def replay_slice(
        self, wanted: Wanted, after: int, user: str = SOMEBODY
    ) -> tuple[int, int | None]:
        return replay_slice(self.ctx, operator(user), EVERY_CLIENT, wanted, after)

    def resubmit_event(self, rejected_id: int, event: Event) -> Routed:
        return resubmit_event(self.ctx, operator(SOMEBODY), EVERY_CLIENT, rejected_id, event)

    def resubmit_message(
        self,
        kept: Kept,
        message_id: int,
        events: Sequence[Event],
        rejections: Sequence[Rejection] = (),
    ) -> list[Routed]:
        return resubmit_message(
            *(self.ctx, operator(SOMEBODY), EVERY_CLIENT, kept, message_id),
            events=events,
            rejections=rejections,
        )
