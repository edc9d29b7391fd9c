"""The options of docs/add/backbone.md fit the classes; tests/test_docs.py runs the rest of it."""

import inspect
import re
from importlib import import_module

import open_clip
import yaml

PAGE = "docs/add/backbone.md"


def test_the_options_of_the_page_bind(repository):
    text = (repository / PAGE).read_text(encoding="utf-8")
    blocks = re.findall(r"```(\w+)[^\n]*\n(.*?)```", text, re.DOTALL)
    published, own = (yaml.safe_load(block) for kind, block in blocks if kind == "yaml")
    module, _, name = published.pop("_target_").rpartition(".")
    inspect.signature(getattr(import_module(module), name)).bind(**published)
    assert open_clip.get_pretrained_cfg(published["architecture"], published["pretrained"])
    names = {}
    exec(next(block for kind, block in blocks if kind == "python"), names)
    own.pop("_target_")
    assert names["EdgeBackbone"](**own).dim == 16
