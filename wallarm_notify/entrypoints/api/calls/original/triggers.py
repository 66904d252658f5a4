"""``/v2/clients/{client_id}/triggers``: triggers, as Terraform's provider and others make and change them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.triggers.original import (
    NOTIFY,
    SentFilter,
    SentThreshold,
    criteria_of,
    integrations_of,
)
from wallarm_notify.domain.triggers.trigger import Criteria, TriggerChange, TriggerDraft
from wallarm_notify.entrypoints.api.answers import answer
from wallarm_notify.entrypoints.api.calls.original.words import (
    MOST_SENT,
    ClientId,
    Ids,
    OriginalAsked,
    OriginalSent,
    about,
    original_words,
    scope_in,
)
from wallarm_notify.entrypoints.api.fields import ConditionWord, PathId, Reason, one_of
from wallarm_notify.entrypoints.api.parts import Called
from wallarm_notify.entrypoints.api.route import CheckedRoute, needs
from wallarm_notify.schemas.documents.original.integrations import DONE, DoneAnswer
from wallarm_notify.schemas.documents.original.triggers import (
    TriggerAnswer,
    TriggersAnswer,
    trigger_answer,
    triggers_answer,
)
from wallarm_notify.services.manage_triggers import (
    apply_trigger,
    create_trigger,
    ensure_trigger_deleted,
)
from wallarm_notify.services.trigger_listings import changed_at, triggers_of_client

router = APIRouter(
    prefix="/v2/clients/{client_id}/triggers",
    tags=["of the original: triggers"],
    route_class=CheckedRoute,
)


class TriggersAsked(OriginalAsked):
    """How triggers are listed."""

    denormalize: Annotated[bool, Field(description="Each with its condition's template.")] = False


class OriginalFilterSent(OriginalSent):
    """One filter: its values are alternatives; without values it restricts nothing."""

    id: str
    operator: str | None = None
    values: Annotated[list[Any] | None, Field(max_length=MOST_SENT)] = None


class OriginalThresholdSent(OriginalSent):
    """More than so many events within a time, which is in seconds."""

    count: int = 0
    period: int = 0
    operator: str | None = None


class ParamsSent(OriginalSent):
    """The integrations that an action notifies."""

    integration_ids: Ids | None = None


class ActionSent(OriginalSent):
    """What a trigger does."""

    id: Annotated[str, one_of([NOTIFY])]
    params: ParamsSent | None = None


class SettingsSent(OriginalSent):
    """A whole trigger."""

    template_id: ConditionWord
    filters: Annotated[list[OriginalFilterSent] | None, Field(max_length=MOST_SENT)] = None
    actions: Annotated[list[ActionSent] | None, Field(max_length=MOST_SENT)] = None
    threshold: OriginalThresholdSent | None = None
    enabled: bool = True
    name: str | None = None
    comment: Reason | None = None

    def criteria(self) -> Criteria:
        """Return what has to be met. Raise Refused."""
        filters = [
            SentFilter(one.id, one.operator or "", one.values or []) for one in self.filters or []
        ]
        threshold = None
        if self.threshold is not None:
            sent = self.threshold
            threshold = SentThreshold(sent.count, sent.period, sent.operator or "")
        return criteria_of(self.template_id, filters, threshold)

    def integration_ids(self) -> tuple[int, ...]:
        """Return who is notified. Raise Refused."""
        sent = self.actions or []
        return integrations_of(
            (one.id, (one.params.integration_ids if one.params else None) or []) for one in sent
        )


class OriginalTriggerSent(OriginalSent):
    """A trigger, which is always sent whole."""

    trigger: SettingsSent


@router.get("", response_model=TriggersAnswer)
@needs(Thing.TRIGGERS, Verb.VIEW)
def list_them(
    call: Called, client_id: ClientId, asked: Annotated[TriggersAsked, Query()]
) -> Response:
    """List all triggers of a client."""
    found = triggers_of_client(call.pages, scope_in(call, client_id), client_id)
    return answer(triggers_answer(found, denormalize=asked.denormalize))


@router.post("", response_model=TriggerAnswer)
@needs(Thing.TRIGGERS, Verb.CREATE)
def create(call: Called, client_id: ClientId, sent: OriginalTriggerSent) -> Response:
    """Store a new trigger; it counts the events that come in from now on."""
    scope, settings = scope_in(call, client_id), sent.trigger
    with original_words():
        draft = TriggerDraft(
            client_id=client_id,
            criteria=settings.criteria(),
            integration_ids=settings.integration_ids(),
            name=settings.name or None,
            comment=settings.comment or "",
            enabled=settings.enabled,
        )
        made = create_trigger(call.ctx, call.actor, scope, draft)
    return answer(trigger_answer(made, made.created_at))


@router.put("/{trigger_id}", response_model=TriggerAnswer)
@needs(Thing.TRIGGERS, Verb.UPDATE)
def change(
    call: Called, client_id: ClientId, trigger_id: PathId, sent: OriginalTriggerSent
) -> Response:
    """Change a trigger as a whole; without a name it keeps the one it has."""
    scope, settings = scope_in(call, client_id), sent.trigger
    with about("trigger", trigger_id):
        criteria = settings.criteria()
        wanted = TriggerChange(
            name=settings.name or None,
            comment=settings.comment or "",
            condition=criteria.condition,
            filters=criteria.filters,
            threshold=criteria.threshold,
            integration_ids=settings.integration_ids(),
            enabled=settings.enabled,
        )
        applied = apply_trigger(call.ctx, call.actor, scope, trigger_id, wanted)
    changed = applied.trigger
    return answer(trigger_answer(changed, changed_at(call.pages, changed)))


@router.delete("/{trigger_id}", response_model=DoneAnswer)
@needs(Thing.TRIGGERS, Verb.DELETE)
def delete(call: Called, client_id: ClientId, trigger_id: PathId) -> Response:
    """Delete a trigger for ever; asked again soon, it is done already."""
    scope = scope_in(call, client_id)
    with about("trigger", trigger_id):
        ensure_trigger_deleted(call.ctx, call.actor, scope, trigger_id)
    return answer(DONE)
