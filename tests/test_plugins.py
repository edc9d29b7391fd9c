"""Plugins are found by their entry points, add options, and never replace ours."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from interestingness import plugins
from interestingness.assembly.checks import check
from interestingness.cli import conf_folder
from interestingness.errors import ConfigError


def _package(site: Path, name: str, entry: str, *, options: dict[str, str] | None = None) -> None:
    """An installed package as the import system sees one: a folder and its metadata."""
    folder = site / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('imported although only announced')\n")
    for path, text in (options or {}).items():
        file = Path(os.path.normpath(folder / "conf" / path))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    metadata = site / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{plugins.GROUP}]\n{entry}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


def test_an_announced_package_is_found_and_not_imported(site: Path) -> None:
    _package(site, "toy_labels", "toy = toy_labels", options={"split/toy.yaml": "a: 1\n"})
    _package(
        site, "toy_set", "deep = toy_set.inner", options={"../inner/conf/split/a.yaml": "b: 1"}
    )
    assert {"toy_labels", "toy_set"} <= set(plugins.plugin_packages())
    found = plugins.conf_folders()
    assert ("toy", site / "toy_labels" / "conf") in found
    assert ("deep", site / "toy_set" / "inner" / "conf") in found
    assert not {"toy_labels", "toy_set"} & set(sys.modules)


def test_a_package_without_options_is_trusted_all_the_same(site: Path) -> None:
    _package(site, "toy_labels", "toy = toy_labels")
    assert "toy_labels" in plugins.plugin_packages()
    assert "toy" not in dict(plugins.conf_folders())


@pytest.mark.parametrize("entry", ["g = gone", "g = gone.deeper", "g = gone:x", "g = json.gone"])
def test_a_package_that_is_gone_does_not_stop_the_others(site: Path, entry: str) -> None:
    _package(site, "toy_labels", "toy = toy_labels", options={"split/toy.yaml": "a: 1\n"})
    _package(site, "leftover", entry)
    assert dict(plugins.conf_folders())["toy"] == site / "toy_labels" / "conf"
    assert "g" not in dict(plugins.conf_folders())


def test_a_plugin_adds_options_and_never_replaces_ours(site: Path) -> None:
    options = {"split/toy.yaml": "theirs: 1\n", "split/half_by_image.yaml": "theirs: 2\n"}
    _package(site, "toy_labels", "toy = toy_labels", options=options)
    GlobalHydra.instance().clear()
    plugins.register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        assert compose("train", ["split=toy"]).split == {"theirs": 1}
        assert "theirs" not in compose("train").split


def test_registering_twice_is_registering_once() -> None:
    plugins.register()
    plugins.register()
    found = Plugins.instance().discover(SearchPathPlugin)
    assert found.count(plugins.InstalledPlugins) == 1


def test_an_untrusted_class_is_refused_before_its_package_is_imported(site: Path) -> None:
    (site / "lab_of_one.py").write_text("raise RuntimeError('imported')\n")
    config = {"label_source": {"_target_": "lab_of_one.Source"}, "x": [{"_target_": "os.system"}]}
    with pytest.raises(ConfigError) as caught:
        check(config)
    assert "trust=[lab_of_one,os]" in str(caught.value) and "x[0]._target_" in str(caught.value)
    assert "lab_of_one" not in sys.modules


def test_trust_opens_one_package(site: Path) -> None:
    (site / "lab_of_two.py").write_text(
        "class Source:\n    def __init__(self, tables, *, name): ...\n"
    )
    config = {"label_source": {"_target_": "lab_of_two.Source", "name": "n"}}
    check(config, trusted=("lab_of_two",))
    with pytest.raises(ConfigError, match=r"no option 'nam'[\s\S]*'name' is missing"):
        check(
            {"label_source": {"_target_": "lab_of_two.Source", "nam": 1}}, trusted=("lab_of_two",)
        )
