"""What banks can be kept in out of the box, registered through the same hook as that of any plugin."""

from __future__ import annotations

from collections.abc import Iterable

from memory.backend import Backend
from memory.banks import Home
from quarterdeck.hooks import NamedBackend, hookimpl


class SqliteKeeper:
    """A database alone."""

    name = "sqlite"

    async def open(self, home: Home, writer: str) -> Backend:
        """See :class:`memory.banks.Keeper`."""
        from memory.sqlite.backend import SqliteBackend

        return await SqliteBackend.open(home.state, home.clock, writer=writer)


class HybridKeeper:
    """A database, and a folder of markdown files that says the same."""

    name = "hybrid"

    async def open(self, home: Home, writer: str) -> Backend:
        """See :class:`memory.banks.Keeper`."""
        from memory.hybrid import HybridBackend
        from memory.sqlite.backend import SqliteBackend

        store = await SqliteBackend.open(home.state, home.clock, writer=writer)
        return HybridBackend(store, home.base, home.parts, namespace=home.namespace)


class MarkdownKeeper:
    """Markdown files alone, their history beside them; for some ten thousand entries and one orchestrator."""

    name = "markdown"

    async def open(self, home: Home, writer: str) -> Backend:
        """See :class:`memory.banks.Keeper`."""
        from memory.markdown.backend import MarkdownBackend

        return await MarkdownBackend.open(
            home.base, home.parts, clock=home.clock, namespace=home.namespace, writer=writer
        )


@hookimpl
def quarterdeck_memory_backends() -> Iterable[NamedBackend]:
    """See :mod:`quarterdeck.hooks`."""
    return [HybridKeeper(), SqliteKeeper(), MarkdownKeeper()]
