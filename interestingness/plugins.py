"""The door for strangers: installed packages that bring options of their own.

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
    """Top-level packages that announced themselves, sorted."""
    return tuple(sorted({entry.value.split(".")[0].split(":")[0] for entry in _entries()}))


def conf_folders() -> list[tuple[str, Path]]:
    """Name and ``conf`` folder of every plugin that has one; nothing of the plugin is imported."""
    found = []
    for entry in _entries():
        top, *inner = entry.value.split(":")[0].split(".")
        # A dotted name is not looked up whole: Python would import its parents for that.
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
    """Adds every plugin's ``conf`` after our own: strangers add options, never replace ours."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra when it composes."""
        for name, folder in conf_folders():
            search_path.append(provider=f"plugin {name}", path=f"file://{folder}")


def register() -> None:
    """Tell Hydra about ``InstalledPlugins``; once per process is enough, more does no harm."""
    plugins = Plugins.instance()
    if InstalledPlugins not in plugins.discover(SearchPathPlugin):
        plugins.register(InstalledPlugins)
