"""What the TUI needs of the orchestrator: one connection that outlives it."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol, Self

from orchestrator.client import LinkState, frames

__all__ = ["Link", "LinkState", "frames"]


class Link(Protocol):
    """Frames and events in, input and verbs out. :class:`orchestrator.link.Link` is the real one."""

    state: LinkState

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> frames.Message | LinkState:
        """The next message or change of the connection. Asking for it acknowledges the frame before."""
        ...

    def send(self, request: frames.Request) -> bool:
        """Hand over one message without waiting; watches, focus and sizes survive a reconnect."""
        ...

    def revive(self) -> None:
        """Connect now, and start an orchestrator that a person had stopped."""
        ...

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        """One verb of the HTTP API. Raises the QuarterdeckError the orchestrator sent."""
        ...
