"""What all tables share: their registry, the names of keys and constraints, and columns that many of them have."""

from collections.abc import Iterable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ENUM, UUID

metadata: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)


VACUUMED_SOON: Final = {
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.02",
    "autovacuum_vacuum_cost_delay": "1",
}
"""Storage parameters of tables whose rows leave as fast as they come: at PostgreSQL's defaults they grow to twice."""


def numbered_id() -> sa.Column[Any]:
    """Return the primary key ``id``, which the database numbers."""
    return sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True)


def uuid(name: str, **options: Any) -> sa.Column[Any]:
    """Return a column of UUIDs; ``options`` are those of ``Column``."""
    return sa.Column(name, UUID(as_uuid=True), **options)


def one_of(name: str, words: Iterable[str]) -> ENUM:
    """Return PostgreSQL's type ``name`` of a closed set of words: 4 bytes in a row, whatever their length."""
    return ENUM(*sorted(map(str, words)), name=name, metadata=metadata)


def moment(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    """Return a column of moments with a time zone."""
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def moment_of_insert(name: str) -> sa.Column[Any]:
    """Return a column of moments that the database's clock fills in where an insert leaves it out."""
    return sa.Column(
        name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()
    )
