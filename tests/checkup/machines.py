"""A machine on which everything works, made up; tests replace a part of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from interestingness.checkup.checks import DEFAULT_WEIGHTS, EXTRAS, HOSTS, KEYS
from interestingness.checkup.facts import FolderFacts, HostFacts, MachineFacts, TorchFacts

FOLDER = FolderFacts(Path("cache"), free=50_000_000_000, used=1_500_000)
HOST = HostFacts("example.org", ahead_s=0.2)
MACHINE = MachineFacts(
    python=(3, 11, 7),
    packages={"numpy": "2.1.0"},
    torch=TorchFacts("2.14.1", "13.0", ("NVIDIA H200",)),
    nvidia=True,
    hosts=dict.fromkeys(HOSTS, HOST),
    environment=dict.fromkeys(KEYS, "sk-abcdefghijklmnop"),
    extras={name: {} for name in EXTRAS},
    cache=FOLDER,
    runs=FOLDER,
    hub_cache=FOLDER,
    torch_cache=replace(FOLDER, exists=False),
    models=(DEFAULT_WEIGHTS,),
    now=2e9,
    installed=1.9e9,
)
