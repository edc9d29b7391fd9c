"""Find plugins: installed third-party packages that add options of their own.

A package announces itself with an entry point in the group ``interestingness.plugins``; its
``conf/`` folder then joins Hydra's search path, and its classes are trusted as ours are.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

GROUP = "interestingness.plugins"


def plugin_packages() -> tuple[str, ...]:
    """Return the top-level packages of all plugins, sorted."""
    return tuple(sorted({entry.value.split(".")[0].split(":")[0] for entry in _entries()}))


def conf_folders() -> list[tuple[str, Path]]:
    """Return name and ``conf`` folder of each plugin that has one, without importing it."""
    found = []
    for entry in _entries():
        top, *inner = entry.value.split(":")[0].split(".")
        # Looking up a whole dotted name would import its parent packages.
        spec = find_spec(top)
        if spec is None or not spec.submodule_search_locations:
            continue
        folder = Path(spec.submodule_search_locations[0]).joinpath(*inner, "conf")
        if folder.is_dir():
            found.append((entry.name, folder))
    return found


def _entries() -> list:
    return sorted(entry_points(group=GROUP), key=lambda entry: entry.name)


class InstalledPlugins(SearchPathPlugin):
    """Adds each plugin's ``conf`` after our own: plugins add options but replace none."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folders; Hydra calls this when it composes."""
        for name, folder in conf_folders():
            search_path.append(provider=f"plugin {name}", path=f"file://{folder}")


def register() -> None:
    """Register ``InstalledPlugins`` with Hydra; repeated calls in a process are harmless."""
    plugins = Plugins.instance()
    if InstalledPlugins not in plugins.discover(SearchPathPlugin):
        plugins.register(InstalledPlugins)
