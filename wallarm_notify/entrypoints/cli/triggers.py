"""``wallarm-notify triggers``: rules over events, and what they fired."""

import click

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.triggers.alert_group import AlertGroup, parse_alert_group
from wallarm_notify.domain.triggers.condition import Condition, Filter
from wallarm_notify.domain.triggers.trigger import (
    Trigger,
    TriggerChange,
    TriggerDraft,
    check_criteria,
    parse_severity,
)
from wallarm_notify.entrypoints.cli.criteria import (
    criteria_options,
    read_condition_option,
    read_filters,
    read_threshold,
)
from wallarm_notify.entrypoints.cli.options import (
    ID,
    LINE,
    acting,
    example,
    is_agreed,
    json_option,
    paged,
    read_cursor,
    read_ids,
    read_until,
    until_option,
    user_option,
    yes_option,
)
from wallarm_notify.entrypoints.cli.output import (
    print_diagnostic,
    print_json,
    print_line,
    print_listing,
    print_page,
    print_table,
)
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.switches import state_lines, until_words
from wallarm_notify.entrypoints.cli.tables import fixed, number, sentence
from wallarm_notify.entrypoints.cli.trigger_output import (
    fires_on,
    notified,
    print_done,
    print_firings,
    print_trigger,
    print_with_warnings,
)
from wallarm_notify.entrypoints.cli.trigger_simulation import simulate
from wallarm_notify.schemas.documents.triggers import (
    DeletedTriggerDocument,
    condition_document,
    shown_trigger_document,
    trigger_document,
)
from wallarm_notify.services.manage_triggers import (
    apply_trigger,
    create_trigger,
    delete_trigger,
    disable_trigger,
    duplicate_trigger,
    enable_trigger,
)
from wallarm_notify.services.trigger_listings import (
    FIRINGS_SHOWN,
    disabled_among,
    find_trigger,
    show_trigger,
)
from wallarm_notify.services.trigger_listings import list_triggers as list_of_triggers

MOST_FIRINGS_SHOWN = 1000

_CRITERIA = 24
"""Characters that are enough for most conditions, thresholds and filters."""

_id = click.argument("trigger_id", metavar="ID", type=ID)
_integration = click.option(
    "--integration",
    "integrations",
    type=LINE,
    help="The integrations to notify: ids, separated by commas. They replace all earlier ones.",
)


_severity = click.option(
    "--severity",
    type=LINE,
    help="That of its alerts: critical, error, warning, info, or default for the condition's.",
)
_group = click.option(
    "--group",
    type=LINE,
    help="Which of its alerts are one in PagerDuty until somebody resolves it: each (none), trigger, or those of one "
    "host, ip or application.",
)


@click.group(epilog=example("wallarm-notify triggers list --client 1"))
def triggers() -> None:
    """Manage rules over events, and show when they fired."""


triggers.add_command(simulate)


@triggers.command(
    epilog=example(
        "wallarm-notify triggers create --client 1 --condition attacks_exceeded \\",
        "    --filter 'attack_type=sqli,xss' --filter 'pool!=3' --threshold '10000 in 1d' --integration 1,2",
        "wallarm-notify triggers create --client 1 --condition user_created --integration 1",
    )
)
@click.option(
    "--client", "client_id", type=ID, required=True, help="The client that it belongs to."
)
@criteria_options
@_integration
@_severity
@_group
@click.option("--name", type=LINE, help="Default: New trigger by USER, DATE.")
@click.option(
    "--comment", type=LINE, default="", help="A note for colleagues; its text is never sent."
)
@click.option("--disabled", is_flag=True, help="Store it disabled: it does not fire yet.")
@user_option
@json_option
def create(
    *,
    client_id: int,
    condition: str | None,
    filters: tuple[str, ...],
    threshold: str | None,
    integrations: str | None,
    severity: str | None,
    group: str | None,
    name: str | None,
    comment: str,
    disabled: bool,
    user: str,
    as_json: bool,
) -> None:
    """Store a new trigger; it counts the events that come in from now on."""
    if condition is None:
        raise click.UsageError(
            "Missing option '--condition'; see: wallarm-notify triggers conditions"
        )
    if integrations is None:
        raise click.UsageError("Missing option '--integration'.")
    asked = read_condition_option(condition)
    criteria = check_criteria(
        asked,
        read_filters(asked, filters),
        None if threshold is None else read_threshold(threshold),
    )
    draft = TriggerDraft(
        client_id=client_id,
        criteria=criteria,
        integration_ids=read_ids(integrations, "integration"),
        name=name,
        comment=comment,
        enabled=not disabled,
        chosen_severity=None if severity is None else parse_severity(severity.strip()),
        group=AlertGroup.EACH if group is None else parse_alert_group(group.strip()),
    )
    actor, ctx = acting(user), wiring(broker=True).context
    print_with_warnings(create_trigger(ctx, actor, EVERY_CLIENT, draft), as_json=as_json)


@triggers.command("list", epilog=example("wallarm-notify triggers list --client 1 --json"))
@click.option("--client", "client_id", type=ID, help="Only this client's.")
@paged
@json_option
def list_triggers(client_id: int | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """List triggers; one that notifies nobody is marked."""
    after, ctx = read_cursor(cursor), wiring().context
    page = list_of_triggers(ctx, EVERY_CLIENT, client_id=client_id, limit=limit, cursor=after)
    # Without the times until when: a column has no room for them, and "show" has them.
    disabled_ones = dict.fromkeys(() if as_json else disabled_among(ctx, EVERY_CLIENT, page.items))
    print_page(
        page,
        as_json=as_json,
        document=trigger_document,
        columns=[
            number("ID"),
            number("Client", spare=True),
            "Name",
            sentence("Fires on", _CRITERIA),
            "Notifies",
            fixed("State"),
            "Last fired",
        ],
        row=lambda t: (
            t.id,
            t.client_id,
            t.name,
            fires_on(t),
            notified(t, disabled_ones),
            state_lines(enabled=t.enabled, until=t.disabled_until),
            t.last_fired_at,
        ),
        nothing="No triggers.",
    )


@triggers.command(
    epilog=example("wallarm-notify triggers show 3", "wallarm-notify triggers show 3 --firings 100")
)
@_id
@click.option(
    "--firings",
    "limit",
    type=click.IntRange(0, MOST_FIRINGS_SHOWN),
    default=FIRINGS_SHOWN,
    show_default=True,
    help="How many of its firings to show at most.",
)
@click.option("--cursor", type=LINE, help="Continue its firings: the cursor that they ended with.")
@json_option
def show(trigger_id: int, limit: int, cursor: str | None, as_json: bool) -> None:
    """Show one trigger with its firings, newest first; --json has the events of each."""
    behind = read_cursor(cursor)
    trigger, firings = show_trigger(wiring().context, EVERY_CLIENT, trigger_id, limit, behind)
    if as_json:
        print_json(shown_trigger_document(trigger, firings))
        return
    if behind is None:
        print_trigger(trigger)
    if limit:
        print_firings(firings, are_last=behind is None)


@triggers.command(
    epilog=example(
        "wallarm-notify triggers update 3 --threshold '30 in 1h'",
        "wallarm-notify triggers update 3 --integration 1,2 --name 'SQL injections'",
    )
)
@_id
@criteria_options
@click.option("--no-filters", is_flag=True, help="Remove all filters.")
@_integration
@_severity
@_group
@click.option("--name", type=LINE, help="A new name.")
@click.option("--comment", type=LINE, help="A new comment.")
@user_option
@json_option
def update(
    *,
    trigger_id: int,
    condition: str | None,
    filters: tuple[str, ...],
    threshold: str | None,
    no_filters: bool,
    integrations: str | None,
    severity: str | None,
    group: str | None,
    name: str | None,
    comment: str | None,
    user: str,
    as_json: bool,
) -> None:
    """Change a trigger; another condition, filter or threshold starts counting afresh."""
    if filters and no_filters:
        raise click.UsageError("Give either --filter or --no-filters.")
    if not (filters or no_filters) and all(
        option is None
        for option in (condition, threshold, integrations, severity, group, name, comment)
    ):
        raise click.UsageError(
            "Give at least one of --condition, --filter, --no-filters, --threshold, --integration, "
            "--severity, --group, --name and --comment."
        )
    asked = None if condition is None else read_condition_option(condition)
    others: tuple[Filter, ...] | None = () if no_filters else None
    if filters:
        others = read_filters(asked or _one(trigger_id).criteria.condition, filters)
    chosen = None if severity is None else parse_severity(severity.strip())
    change = TriggerChange(
        name=name,
        comment=comment,
        condition=asked,
        filters=others,
        threshold=None if threshold is None else read_threshold(threshold),
        integration_ids=None if integrations is None else read_ids(integrations, "integration"),
        chosen_severity=chosen,
        unsets_severity=severity is not None and chosen is None,
        group=None if group is None else parse_alert_group(group.strip()),
    )
    actor, ctx = acting(user), wiring(broker=True).context
    applied = apply_trigger(ctx, actor, EVERY_CLIENT, trigger_id, change)
    print_with_warnings(applied.trigger, as_json=as_json)


@triggers.command(epilog=example("wallarm-notify triggers enable 3"))
@_id
@user_option
@json_option
def enable(trigger_id: int, user: str, as_json: bool) -> None:
    """Enable a trigger; it starts counting afresh."""
    actor, ctx = acting(user), wiring(broker=True).context
    done = enable_trigger(ctx, actor, EVERY_CLIENT, trigger_id)
    print_done(done, "is enabled and counts afresh", as_json=as_json)


@triggers.command(
    epilog=example(
        "wallarm-notify triggers disable 3",
        "wallarm-notify triggers disable 3 --until 2026-03-01T06:00",
    )
)
@_id
@until_option
@user_option
@json_option
def disable(trigger_id: int, until_text: str | None, user: str, as_json: bool) -> None:
    """Disable a trigger, which fires no more; its settings stay.

    Of one that is disabled already, --until changes the end, and without --until it has none.
    """
    until = None if until_text is None else read_until(until_text)
    actor, ctx = acting(user), wiring(broker=True).context
    done = disable_trigger(ctx, actor, EVERY_CLIENT, trigger_id, until=until)
    print_done(done, until_words("is disabled", done.disabled_until), as_json=as_json)


@triggers.command(epilog=example("wallarm-notify triggers duplicate 3 --name 'The same for XSS'"))
@_id
@click.option("--name", type=LINE, help="Default: Copy of NAME.")
@user_option
@json_option
def duplicate(trigger_id: int, name: str | None, user: str, as_json: bool) -> None:
    """Store a copy of a trigger, enabled where the trigger is."""
    actor, ctx = acting(user), wiring(broker=True).context
    copy = duplicate_trigger(ctx, actor, EVERY_CLIENT, trigger_id, name=name)
    print_with_warnings(copy, as_json=as_json)
    if copy.enabled:
        print_diagnostic(
            f"warning: triggers {trigger_id} and {copy.id} both fire now; change or disable one of them."
        )


@triggers.command(epilog=example("wallarm-notify triggers delete 3 --yes"))
@_id
@user_option
@yes_option
@json_option
def delete(trigger_id: int, user: str, yes: bool, as_json: bool) -> None:
    """Delete a trigger for ever; notifications of its firings are still sent."""
    actor, ctx = acting(user), wiring(broker=True).context
    name = _one(trigger_id).name
    if not is_agreed(f"Delete trigger {trigger_id} ({name}), for ever?", yes=yes):
        raise Refused(f"Trigger {trigger_id} was not deleted.")
    delete_trigger(ctx, actor, EVERY_CLIENT, trigger_id)
    if as_json:
        print_json(DeletedTriggerDocument(id=trigger_id, deleted=True))
    else:
        print_line(f"Trigger {trigger_id} is deleted.")


@triggers.command(epilog=example("wallarm-notify triggers conditions"))
@json_option
def conditions(as_json: bool) -> None:
    """List the conditions and the filters of each; needs no setting."""
    shown = [condition_document(one) for one in Condition]
    if as_json:
        print_listing(shown)
        return
    print_table(
        [fixed("Condition"), fixed("Event"), fixed("Fires"), "Filters"],
        [(one["condition"], one["event_type"], one["fires"], one["filters"]) for one in shown],
        nothing="",
    )


def _one(trigger_id: int) -> Trigger:
    return find_trigger(wiring().context, EVERY_CLIENT, trigger_id)
