"""The built-in adapters, registered through the same hook as those of any plugin."""

from __future__ import annotations

from collections.abc import Iterable

from quarterdeck.hooks import NamedAdapter, hookimpl
from quarterdeck.paths import Paths


@hookimpl
def quarterdeck_adapters(paths: Paths) -> Iterable[NamedAdapter]:
    """See :mod:`quarterdeck.hooks`."""
    from terminals.native import NativeAdapter
    from terminals.tmux import TmuxAdapter

    native = NativeAdapter(paths.run)
    return [native, TmuxAdapter(paths.run, native.parent)]
