"""May the identity that a release reads with write? Asked of the database itself, without changing it."""

from collections.abc import Callable
from typing import Any

from expectations.errors import CannotAsk
from infra.sources.sql import connection
from infra.sources.urls import without_secrets

WRITES = "INSERT, UPDATE, DELETE, TRUNCATE"
# A privilege on a single column is one too, and an owner may always grant itself anything.
WRITABLE_TABLES = """
select n.nspname || '.' || c.relname, pg_has_role(c.relowner, 'MEMBER')
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'f') and n.nspname not in ('pg_catalog', 'information_schema')
and (pg_has_role(c.relowner, 'MEMBER') or has_table_privilege(c.oid, 'DELETE, TRUNCATE')
     or has_any_column_privilege(c.oid, 'INSERT, UPDATE'))
order by 1
"""


def may_write(name: str, url: str) -> tuple[str, tuple[str, str] | None]:
    """The database's kind, and how and how to end it where this identity may write. Raises CannotAsk."""
    import sqlalchemy as sa

    with connection(name, url) as connected:
        kind = str(connected.dialect.name)
        try:
            return kind, RIGHTS[kind](connected) if kind in RIGHTS else None
        except sa.exc.SQLAlchemyError as error:
            told = without_secrets(error, url)
            raise CannotAsk(f"{name}: cannot tell whether it may be written: {told}. Run again later.") from None


def _sqlite_may_write(connected: Any) -> tuple[str, str] | None:
    import sqlalchemy as sa

    try:
        # Sets a number to what it is and takes that back: inside a transaction no byte of the file changes. The lock
        # alone tells nothing, since SQLite grants a reader BEGIN IMMEDIATE as well.
        connected.exec_driver_sql("BEGIN IMMEDIATE")
        version = connected.exec_driver_sql("PRAGMA user_version").scalar()
        connected.exec_driver_sql(f"PRAGMA user_version = {int(version)}")
        connected.exec_driver_sql("ROLLBACK")
    except sa.exc.OperationalError as error:
        if "readonly" in str(error):
            return None
        raise
    return "the file was opened for writing", "Write the url as sqlite:///file:PATH?mode=ro&uri=true"


def _postgresql_may_write(connected: Any) -> tuple[str, str] | None:
    role, all_powerful = connected.exec_driver_sql(
        "select current_user, rolsuper from pg_roles where rolname = current_user"
    ).one()
    if all_powerful:
        return (
            f"the role {role} is a superuser",
            "Use a role with GRANT SELECT on what the query reads, and nothing else.",
        )
    tables = [tuple(row) for row in connected.exec_driver_sql(WRITABLE_TABLES)]
    if not tables:
        return None
    some = ", ".join(table for table, _ in tables[:5])
    more = f" and {len(tables) - 5} more" if len(tables) > 5 else ""
    if owned := [table for table, owner in tables if owner]:
        remedy = f"{owned[0]} is its own: read as another role, with GRANT SELECT and nothing else."
    else:
        remedy = f"REVOKE {WRITES} ON {some} FROM {role}; GRANT SELECT ON {some} TO {role};"
    return f"the role {role} may write to {some}{more}", remedy


RIGHTS: dict[str, Callable[[Any], tuple[str, str] | None]] = {
    "sqlite": _sqlite_may_write,
    "postgresql": _postgresql_may_write,
}
