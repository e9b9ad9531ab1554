"""The door for plugins. What Quarterdeck brings itself registers through it as well.

A plugin is a module or object with functions marked :data:`hookimpl`, registered as an entry point of the group
``quarterdeck``::

    from quarterdeck.hooks import hookimpl

    @hookimpl
    def quarterdeck_profiles():
        return [Path(__file__).parent / "profiles"]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import pluggy

from quarterdeck.errors import Invalid
from quarterdeck.paths import Paths

PROJECT = "quarterdeck"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class NamedAdapter(Protocol):
    """A terminal adapter as far as the door looks at it; the whole is :class:`terminals.adapter.Adapter`."""

    name: str


class NamedBackend(Protocol):
    """What keeps a memory bank, as far as the door looks at it; the whole is :class:`memory.banks.Keeper`."""

    name: str


_Named = TypeVar("_Named", NamedAdapter, NamedBackend)


class Specs:
    """The hooks a plugin may implement."""

    @hookspec
    def quarterdeck_profiles(self) -> Iterable[Path]:
        """Folders with profile files (``*.toml``). A later plugin's profile replaces an earlier one of its name."""
        return []

    @hookspec
    def quarterdeck_adapters(self, paths: Paths) -> Iterable[NamedAdapter]:
        """Terminal adapters for this state folder. Imports belong inside the function: it is called only where used.

        Nothing is started yet. Names are unique over all plugins.
        """
        return []

    @hookspec
    def quarterdeck_memory_backends(self) -> Iterable[NamedBackend]:
        """What a memory bank can be kept in, for ``backend`` in the table ``[memory]``. Names are unique."""
        return []


class Plugins(NamedTuple):
    """The registered plugins, and those that could not be loaded, each as one line for a person."""

    manager: pluggy.PluginManager
    problems: tuple[str, ...]

    def profile_folders(self) -> list[Path]:
        """All folders of profiles, in the order in which their plugins were registered."""
        # pluggy calls the last registered first
        return [folder for folders in reversed(self.manager.hook.quarterdeck_profiles()) for folder in folders]

    def adapters(self, paths: Paths) -> dict[str, NamedAdapter]:
        """All adapters by name. Raises :class:`Invalid` when two have the same name."""
        return _by_name(self.manager.hook.quarterdeck_adapters(paths=paths), "an adapter")

    def memory_backends(self) -> dict[str, NamedBackend]:
        """All that keeps memory banks, by name. Raises :class:`Invalid` when two have the same name."""
        return _by_name(self.manager.hook.quarterdeck_memory_backends(), "a memory backend")


def _by_name(answers: Sequence[Iterable[_Named]], what: str) -> dict[str, _Named]:
    named: dict[str, _Named] = {}
    for found in reversed(answers):
        for one in found:
            if one.name in named:
                raise Invalid(f"two plugins bring {what} named {one.name!r}", hint="uninstall one of them")
            named[one.name] = one
    return named


def load(built_in: Iterable[object] = (), *, installed: bool = True) -> Plugins:
    """Register ``built_in`` plugins, then the ``installed`` ones. One that fails does not keep the others out."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Specs)
    for plugin in built_in:
        manager.register(plugin)
    manager.check_pending()
    problems: list[str] = []
    for entry in sorted(entry_points(group=PROJECT), key=lambda entry: entry.name) if installed else ():
        try:
            manager.register(entry.load(), name=entry.name)
            manager.check_pending()
        except Exception as error:  # noqa: BLE001  a plugin may fail in any way
            if manager.has_plugin(entry.name):
                manager.unregister(name=entry.name)
            problems.append(f"plugin {entry.name} ({entry.value}) is not used: {type(error).__name__}: {error}")
    return Plugins(manager, tuple(problems))
