"""docs/add/backbone.md, executed."""

import inspect
import re
from importlib import import_module

import open_clip
import pytest
import yaml

PAGE = "docs/add/backbone.md"


@pytest.fixture(scope="module")
def blocks(repository):
    text = (repository / PAGE).read_text(encoding="utf-8")
    return re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)


def test_the_blocks_are_found(blocks):
    assert [kind for kind, _ in blocks] == ["yaml", "console", "python", "yaml", "python"]


def test_the_class_of_the_page_keeps_the_contract(blocks, tmp_path, monkeypatch):
    names = {}
    for kind, text in blocks:
        if kind == "python":
            exec(compile(text, PAGE, "exec"), names)
    contract = names["TestEdges"]()
    tests = [name for name in dir(contract) if name.startswith("test_")]
    assert len(tests) >= 10
    for name in tests:
        getattr(contract, name)()


def test_the_options_of_the_page_bind(blocks):
    published, own = (yaml.safe_load(text) for kind, text in blocks if kind == "yaml")
    module, _, name = published.pop("_target_").rpartition(".")
    inspect.signature(getattr(import_module(module), name)).bind(**published)
    assert open_clip.get_pretrained_cfg(published["architecture"], published["pretrained"])
    names = {}
    exec(next(text for kind, text in blocks if kind == "python"), names)
    own.pop("_target_")
    assert names["EdgeBackbone"](**own).dim == 16
