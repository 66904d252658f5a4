"""Whether any event can pass the filters of a trigger."""

from __future__ import annotations

import pytest
from build import criteria_of

from wallarm_notify.domain.triggers.satisfiable import is_satisfiable

OF_GRAPHQL = "gql_doc_size,gql_value_size,gql_depth,gql_aliases,gql_docs_per_batch,gql_introspection,gql_debug"
EVERY_4XX = ",".join(map(str, range(400, 500)))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], True),
        (["pool=3", "pool!=4"], True),
        (["pool=3,4", "pool!=4"], True),
        (["pool=3", "pool!=3"], False),
        (["pool=3,4", "pool!=3", "pool!=4"], False),
        (["pool!=3", "pool!=-1"], True),
        (["target!=server,client,database"], True),
        (["domain=Shop.example.com", "domain!=shop.example.com"], False),
        (["domain=shop.example.com", "pool!=3"], True),
        (["domain=shop.example.com", "pool=3", "pool!=3"], False),
        (["attack_type=gql_depth", "attack_type!=graphql_attacks"], False),
        (["attack_type=graphql_attacks", "attack_type!=gql_depth"], True),
        (["attack_type=graphql_attacks", f"attack_type!={OF_GRAPHQL}"], True),
        (["attack_type=graphql_attacks", f"attack_type!={OF_GRAPHQL},graphql_attacks"], False),
        (["attack_type=sqli,gql_depth", "attack_type!=graphql_attacks"], True),
        (["response_status=404", "response_status!=4xx"], False),
        (["response_status=404,500", "response_status!=4xx"], True),
        (["response_status=4xx", "response_status!=404"], True),
        (["response_status=4xx", f"response_status!={EVERY_4XX}"], False),
        (["ip_address=::ffff:203.0.113.7", "ip_address!=203.0.113.7"], False),
    ],
)
def test_filters_let_an_event_pass_unless_one_excludes_all_that_another_asks_for(
    filters: list[str], expected: bool
) -> None:
    criteria = criteria_of("attacks_exceeded", *filters, threshold="0 in 1h")
    assert is_satisfiable(criteria.filters) is expected


def test_two_filters_for_sensitive_data_ask_for_an_event_that_has_both() -> None:
    assert is_satisfiable(criteria_of("api_structure_changed", "pii=card", "pii=token").filters)
