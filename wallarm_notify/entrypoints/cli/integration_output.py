"""The output of the commands of integrations."""

from rich.text import Text

from wallarm_notify.domain.integration import Integration, parse_subscriptions
from wallarm_notify.domain.page import Page
from wallarm_notify.entrypoints.cli.drills import proof_words
from wallarm_notify.entrypoints.cli.output import print_page
from wallarm_notify.entrypoints.cli.switches import state_lines, switch_words
from wallarm_notify.entrypoints.cli.tables import fixed, number
from wallarm_notify.schemas.documents.integrations import integration_document


def print_integrations(page: Page[Integration], *, as_json: bool) -> None:
    """Print a page of integrations; with their last proof, if one of them was drilled."""
    drilled = any(i.last_drill is not None for i in page.items)
    print_page(
        page,
        as_json=as_json,
        document=integration_document,
        columns=[
            number("ID"),
            number("Client"),
            "Name",
            fixed("Region"),
            fixed("Key"),
            "Subscriptions",
            fixed("State"),
            number("Failed\n24 h"),
            *(["Last\nproven"] if drilled else []),
        ],
        row=lambda i: (
            i.id,
            i.client_id,
            i.name,
            i.region,
            i.key,
            _listed(i),
            _in_lines(i),
            i.failed_24h,
            *([proof_words(i)] if drilled else []),
        ),
        nothing="No integrations.",
    )


def state_of(integration: Integration) -> Text:
    """Return ``enabled``, ``disabled`` or ``disabled automatically``, and until when."""
    return switch_words(
        enabled=integration.enabled, until=integration.disabled_until, off=_off(integration)
    )


def _in_lines(integration: Integration) -> Text:
    # Side by side the words would take the room of a name.
    return state_lines(
        enabled=integration.enabled, until=integration.disabled_until, off=_off(integration)
    )


def _off(integration: Integration) -> str:
    return integration.state.replace("_", " ")


def _listed(integration: Integration) -> str:
    """Return the subscriptions, with one word where all five risks of security issues are among them."""
    others = [s for s in integration.subscriptions if not s.startswith("security_issue_")]
    risks = [s for s in integration.subscriptions if s.startswith("security_issue_")]
    every = set(risks) == set(parse_subscriptions(["security_issue"]))
    return ", ".join([*others, *(["security_issue"] if every else risks)]) or "none"
