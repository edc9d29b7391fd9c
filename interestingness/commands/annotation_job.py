"""Plan one ``interestingness annotate``: from the config to tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig

from interestingness.annotators.backends import Backend
from interestingness.annotators.credentials import read_key
from interestingness.annotators.preflight import Canary
from interestingness.annotators.prices import Meter
from interestingness.annotators.prompting import PAPER_PERSONAS, Template
from interestingness.annotators.sent_images import Images, read_images
from interestingness.annotators.summary import human_preference
from interestingness.annotators.tasks import (
    Planned,
    Round,
    image_tasks,
    pair_tasks,
    pick_pilot_tasks,
    text_tasks,
)
from interestingness.annotators.types import Task
from interestingness.assembly.opening import open_dataset
from interestingness.errors import ConfigError, DataError
from interestingness.progress import ProgressLine
from interestingness.tables.tables import Tables

PROMPTS = {
    "pairs": "pair-1",
    "images": "image-1",
    "descriptions": "description-1",
    "cupl": "cupl-1",
}
"""The newest prompt for each thing that can be asked."""


@dataclass
class AnnotationJob:
    """Backend, prompts, images and tasks of one command.

    Attributes:
        cfg: composed ``conf/annotate.yaml``.
        tables: the prepared data set.
        backend: who is asked.
        rounds: prompts, one for each persona.
        template: of the prompts.
        images: files that the tasks need.
        whole: all tasks.
        chosen: tasks of this command: all, or those of the pilot.
        path: of the ledger.
        day: today.
    """

    cfg: DictConfig
    tables: Tables
    backend: Backend
    rounds: list[Round]
    template: Template
    images: Images
    whole: Planned
    chosen: list[Task]
    path: Path
    day: date

    @property
    def meter(self) -> Meter:
        """Return the meter with reserves before anything was measured."""
        prompts = [ask.prompt for ask in self.rounds]
        return self.backend.meter([*prompts, *([c.prompt] if (c := self.canary) else [])])

    @property
    def in_batches(self) -> bool:
        """Check whether the provider's batch interface is used."""
        return bool(self.cfg.mode == "batch")

    def asking_meter(self, meter: Meter) -> Meter:
        """Return the meter at the prices of the interface that is used after the preflight."""
        return meter.in_batches() if self.in_batches else meter

    @property
    def canary(self) -> Canary | None:
        """Make the preflight's questions; None where no image is sent."""
        if not self.images.sources:
            return None
        pair = self.template if self.template.kind == "pair" else Template.load(PROMPTS["pairs"])
        return Canary.of(self.backend, pair, today=self.day)


def plan_job(cfg: DictConfig) -> AnnotationJob:
    """Plan everything that needs neither a ledger nor a connection.

    Raises:
        ConfigError: for options that cannot go together.
        DataError: for an unusable data set, or too many unreadable images.
    """
    backend: Backend = instantiate(cfg.annotator, max_pixels=cfg.max_pixels, _convert_="all")
    _check_batches(backend, backend.meter(), cfg.mode)  # an unknown price fails here …
    if not cfg.dry_run and backend.base_url is not None:  # … and so does a missing key
        read_key(backend.key_env, base_url=backend.base_url, hosts=tuple(backend.hosts))
    rounds, template = _rounds(cfg, backend)
    tables = open_dataset(cfg, ProgressLine("preparing the data set"))
    images, whole = _tasks(cfg, tables, backend, rounds)
    chosen = whole.tasks
    if cfg.pilot is not None:
        chosen = pick_pilot_tasks(whole.tasks, cfg.pilot, _voted(tables, cfg.question))
    path = Path(cfg.ledger or f"annotations/{tables.manifest.name}/{backend.name}.sqlite")
    path = path.expanduser()
    return AnnotationJob(
        cfg, tables, backend, rounds, template, images, whole, chosen, path, today()
    )


def _check_batches(backend: Backend, meter: Meter, mode: str) -> None:
    if mode != "batch":
        return
    meter.in_batches()
    if backend.batch is None:
        raise ConfigError(
            f"mode=batch, and annotator={backend.name} has no batch interface",
            expected="annotator.batch={requests: 50000, bytes: 200000000} where there is one",
            todo="leave mode=sync",
        )


def _rounds(cfg: DictConfig, backend: Backend) -> tuple[list[Round], Template]:
    template = Template.load(cfg.prompt or PROMPTS[cfg.what])
    if template.kind != Template.load(PROMPTS[cfg.what]).kind:
        raise ConfigError(
            f"prompt={cfg.prompt} is of kind {template.kind}, and what={cfg.what}",
            expected=f"a prompt like {PROMPTS[cfg.what]}",
            todo="choose another prompt",
        )
    personas: list[str | None] = [None]
    if cfg.personas == "paper":
        personas = list(PAPER_PERSONAS)
    elif cfg.personas:
        personas = [str(persona) for persona in cfg.personas]
    on_canvas = template.kind == "pair" and backend.images_per_message == 1
    return [
        Round(
            template.render(
                question=cfg.question, comparison=cfg.comparison, persona=persona, canvas=on_canvas
            ),
            cfg.question,
            persona,
        )
        for persona in personas
    ], template


def _tasks(
    cfg: DictConfig, tables: Tables, backend: Backend, rounds: list[Round]
) -> tuple[Images, Planned]:
    """Return the readable files and all tasks."""
    if cfg.what == "cupl":
        return Images({}, {}), text_tasks(backend, rounds[0], samples=cfg.samples)
    pairs = [tables.pairs.pair(row) for row in range(len(tables.pairs))]
    wanted = tables.image_ids.tolist()
    if cfg.what == "pairs":
        if not pairs:
            raise DataError(
                f"{tables.manifest.name}: the data set has no pairs",
                expected="pairs to ask about",
                todo="give dataset.pairs, or ask about single images: what=images",
            )
        wanted = [name for pair in pairs for name in (pair.left, pair.right)]
    images = read_images(tables, wanted, ProgressLine("reading images"))
    images.check(cfg.max_bad_share)
    found, samples = images.sources, cfg.samples
    if cfg.what == "pairs":
        return images, pair_tasks(backend, rounds, pairs, found, orders=cfg.orders, samples=samples)
    return images, image_tasks(backend, rounds, wanted, found, samples=samples)


def _voted(tables: Tables, question: str) -> Iterator[str]:
    people = human_preference(tables, question)
    for name, preference in zip(tables.pairs.pair_ids, people.tolist(), strict=True):
        if preference in (0.0, 1.0):
            yield name


def today() -> date:
    """Return the day in UTC."""
    return datetime.now(UTC).date()
