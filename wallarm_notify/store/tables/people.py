"""Tables of who is let in: users, tokens of programs, and sessions of the console (spec 9).

They have no foreign keys, as no table here has: a token whose user or client is not there lets nobody in.
"""

import sqlalchemy as sa

from wallarm_notify.store.tables.columns import (
    metadata,
    moment,
    moment_of_insert,
    numbered_id,
    uuid,
)

users = sa.Table(
    "users",
    metadata,
    numbered_id(),
    # Null: an operator, who belongs to no client.
    sa.Column("client_id", sa.BigInteger),
    # In small letters.
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    # domain.actor.Role
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
    moment_of_insert("created_at"),
    sa.Column("created_by", sa.Text, nullable=False),
    # When the user signed in last; null: never.
    moment("last_login_at"),
    sa.CheckConstraint("email = lower(email)", name="email"),
    # Whoever belongs to no client sees all of them, so no other role comes by it through a mistake.
    sa.CheckConstraint("(client_id IS NULL) = (role = 'operator')", name="all_clients"),
    sa.UniqueConstraint("email"),
    sa.Index("ix_users_client_id", "client_id"),
)

tokens = sa.Table(
    "tokens",
    metadata,
    numbered_id(),
    # Null: of all clients.
    sa.Column("client_id", sa.BigInteger),
    # Whose rights are its limit; null: it is shared.
    sa.Column("user_id", sa.BigInteger),
    sa.Column("name", sa.Text, nullable=False),
    # domain.actor.Role
    sa.Column("role", sa.Text, nullable=False),
    # The SHA-256 of the token (domain.token), and its first characters, by which its owner knows it again.
    sa.Column("token_hash", sa.LargeBinary, nullable=False),
    sa.Column("first_characters", sa.Text, nullable=False),
    # What older programs present in its place: a UUID, and a secret of which the SHA-256 is stored.
    uuid("uuid"),
    sa.Column("secret_hash", sa.LargeBinary),
    # From then on it lets nobody in; null: never.
    moment("expires_at"),
    # Written once a minute at most; null: never used.
    moment("last_used_at"),
    # One that is disabled stays so.
    sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
    moment_of_insert("created_at"),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.CheckConstraint(
        "(client_id IS NULL) = (role IN ('operator', 'producer'))", name="all_clients"
    ),
    sa.CheckConstraint("(uuid IS NULL) = (secret_hash IS NULL)", name="pair"),
    sa.UniqueConstraint("token_hash"),
    sa.UniqueConstraint("uuid"),
    sa.Index("ix_tokens_client_id", "client_id"),
    # A row is written each minute that its token is used: leave room in the page for it.
    postgresql_with={"fillfactor": 70},
)

# Who has signed in to the console. Rows that let nobody in any more are deleted by PRUNE.
sessions = sa.Table(
    "sessions",
    metadata,
    numbered_id(),
    # The SHA-256 of what the browser presents.
    sa.Column("secret_hash", sa.LargeBinary, nullable=False),
    # domain.session.Way
    sa.Column("way", sa.Text, nullable=False),
    # Who signed in; null: a token that is shared.
    sa.Column("user_id", sa.BigInteger),
    # By which token; null: by a link, or through a proxy.
    sa.Column("token_id", sa.BigInteger),
    moment("created_at", nullable=False),
    # Written once a minute at most.
    moment("last_used_at", nullable=False),
    # When it was ended by somebody, or with its user or token; null: it was not.
    moment("ended_at"),
    sa.CheckConstraint("way IN ('link', 'token', 'proxy')", name="way"),
    sa.CheckConstraint("user_id IS NOT NULL OR token_id IS NOT NULL", name="whose"),
    sa.UniqueConstraint("secret_hash"),
    sa.Index("ix_sessions_user_id", "user_id"),
    sa.Index("ix_sessions_token_id", "token_id"),
    sa.Index("ix_sessions_last_used_at", "last_used_at"),
)

# Links by which users sign in to the console, each once. A row is deleted when it is used.
sign_in_links = sa.Table(
    "sign_in_links",
    metadata,
    # The SHA-256 of what the link carries.
    sa.Column("secret_hash", sa.LargeBinary, primary_key=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    # From then on it signs nobody in.
    moment("expires_at", nullable=False),
)
