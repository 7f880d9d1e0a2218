"""The Prefect server's database, where it is not a file: asked before the server is, which tells less of it."""

import asyncio

from expectations.errors import CannotAsk

SCHEME, PATIENCE = "postgresql+asyncpg://", 10.0


def expect_database(url: str) -> None:
    """Raises CannotAsk where the URL is of another kind or holds a password, or where it cannot be opened."""
    if not url.startswith(SCHEME):
        raise CannotAsk(f"--database: expected {SCHEME}USER@HOST/NAME, found another kind of URL.")
    place = url.removeprefix(SCHEME)
    if ":" in place.rpartition("@")[0] or "password=" in place:
        raise CannotAsk(
            "--database: expected no password in it, found one: everybody on this machine can read command lines. "
            "Set PGPASSWORD, or name the whole URL in PREFECT_SERVER_DATABASE_CONNECTION_URL."
        )
    if reason := asyncio.run(_asked(f"postgresql://{place}")):
        raise CannotAsk(f"--database: {place} cannot be opened: {reason}. Its password comes from PGPASSWORD.")


async def _asked(dsn: str) -> str:
    """Why it cannot be opened; nothing where it can."""
    import asyncpg

    try:
        connection = await asyncpg.connect(dsn, timeout=PATIENCE)
    except (OSError, ValueError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return " ".join(str(error).split()) or type(error).__name__
    await connection.close()
    return ""
