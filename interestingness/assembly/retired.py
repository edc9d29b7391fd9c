"""What was once typed and has another name today. Read before anything is composed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from interestingness.errors import ConfigError

SIMULATIONS = ("debiasing", "pair_choice", "engagement")
"""Studies that read no data and are benchmarks now."""
RENAMED: Mapping[str, Mapping[str, str]] = {
    "label_source_table": {"judge": "reference"},
    "discrepancies": {"people": "reference", "judge": "source"},
    "image_clusters": {"people": "reference", "judge": "source"},
    "social_content": {"content": "reference"},
}
"""Study → old option → new option, both below ``study``."""


def refuse_retired(words: Sequence[str]) -> None:
    """Refuse studies and options of studies that have another name today.

    Args:
        words: of the command line.

    Raises:
        ConfigError: that names what to type instead.
    """
    given = dict(word.lstrip("+").partition("=")[::2] for word in words)
    studies = given.get("study", "").split(",")
    for study in studies:
        if study in SIMULATIONS:
            raise ConfigError(
                f"study={study} is a simulation, which reads no data set",
                expected="a study of a data set",
                todo=f"python benchmarks/{study}.py, in a clone of the repository",
            )
        for old, new in RENAMED.get(study, {}).items():
            if (value := given.get(f"study.{old}")) is not None:
                raise ConfigError(
                    f"study.{old}={value}: study={study} has no such option",
                    expected=f"study.{new}, as it is called now",
                    todo=f"study.{new}={value}",
                )
