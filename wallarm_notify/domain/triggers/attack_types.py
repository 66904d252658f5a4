"""The catalogue of attack types that a trigger's filter can name (spec 3)."""

from collections.abc import Mapping
from typing import Final

_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "graphql_attacks": (
        "gql_doc_size",
        "gql_value_size",
        "gql_depth",
        "gql_aliases",
        "gql_docs_per_batch",
        "gql_introspection",
        "gql_debug",
    ),
    "api_specification": (
        "undefined_endpoint",
        "undefined_parameter",
        "invalid_parameter_value",
        "missing_parameter",
        "missing_auth",
        "invalid_request",
    ),
}
"""Attack types that mean several others, and themselves."""

GROUP_OF: Final[Mapping[str, str]] = {
    member: group for group, members in _GROUPS.items() for member in members
}
"""The group of an attack type; a type that is missing here has none."""

ATTACK_TYPES: Final = (
    *("sqli", "nosqli", "rce", "ssi", "ssti", "ldapi", "mail_injection", "ssrf", "ptrav", "xxe"),
    *("scanner", "xss", "redir", "crlf", "mass_assignment", "data_bomb", "invalid_xml"),
    *("processing_overlimit", "overlimit_res", "vpatch"),
    *("enum", "brute", "bola", "dirbust", "credential_stuffing", "api_abuse", "account_takeover"),
    *("security_crawlers", "scraping", "resource_consumption"),
    *(word for group, members in _GROUPS.items() for word in (group, *members)),
    *("ai_prompt_retrieval", "ai_prompt_injection", "query_anomaly"),
    *("blocked_source", "file_upload_violation"),
)
"""The attack types that a filter can name; events may have others, which no value matches."""

_NAMES: Final = {
    "sqli": "SQLi",
    "nosqli": "NoSQLi",
    "rce": "RCE",
    "ssi": "SSI",
    "ssti": "SSTI",
    "ldapi": "LDAPi",
    "ssrf": "SSRF",
    "ptrav": "Path traversal",
    "xxe": "XXE",
    "xss": "XSS",
    "redir": "Open redirect",
    "crlf": "CRLF",
    "vpatch": "Virtual patch",
    "overlimit_res": "Resource overlimit",
    "invalid_xml": "Invalid XML",
    "enum": "Enumeration",
    "brute": "Brute force",
    "bola": "BOLA",
    "dirbust": "Forced browsing",
    "api_abuse": "API abuse",
    "graphql_attacks": "GraphQL attacks",
    "api_specification": "API specification violations",
    "gql_doc_size": "GraphQL document size",
    "gql_value_size": "GraphQL value size",
    "gql_depth": "GraphQL depth",
    "gql_aliases": "GraphQL aliases",
    "gql_docs_per_batch": "GraphQL documents per batch",
    "gql_introspection": "GraphQL introspection",
    "gql_debug": "GraphQL debug",
    "ai_prompt_retrieval": "AI prompt retrieval",
    "ai_prompt_injection": "AI prompt injection",
}


def attack_name(code: int | str) -> str:
    """Return the display name of an attack type: ``SQLi`` for ``sqli``."""
    word = str(code)
    return _NAMES.get(word, word.replace("_", " ").capitalize())
