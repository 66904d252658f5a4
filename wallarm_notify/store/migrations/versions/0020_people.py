"""Users and tokens, and of clients their parent and whether their people are let in.

Nobody is let in before somebody makes a token; programs from before know nothing of it and go on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables and add both columns, which no row has to be written for."""
    op.add_column("clients", sa.Column("parent_id", sa.BigInteger(), nullable=True))
    op.add_column(
        "clients", sa.Column("access", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    op.create_index(
        "ix_clients_parent_id",
        "clients",
        ["parent_id"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    _make_users()
    _make_tokens()


def _make_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_users_email")),
        sa.CheckConstraint(
            "(client_id IS NULL) = (role = 'operator')", name=op.f("ck_users_all_clients")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_index("ix_users_client_id", "users", ["client_id"], unique=False)


def _make_tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("first_characters", sa.Text(), nullable=False),
        sa.Column("uuid", sa.UUID(), nullable=True),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(client_id IS NULL) = (role IN ('operator', 'producer'))",
            name=op.f("ck_tokens_all_clients"),
        ),
        sa.CheckConstraint("(uuid IS NULL) = (secret_hash IS NULL)", name=op.f("ck_tokens_pair")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_tokens_token_hash")),
        sa.UniqueConstraint("uuid", name=op.f("uq_tokens_uuid")),
        # A row is written each minute that its token is used: leave room in the page for it.
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("ix_tokens_client_id", "tokens", ["client_id"], unique=False)
