"""``hydra/launcher=processes``: Hydra looks for launchers in the package ``hydra_plugins`` only.

Every Hydra program in this environment imports this file, so that it imports nothing else of ours.
Annotations are evaluated here: Hydra runs the file before it is in ``sys.modules``, where a
dataclass would look for the names in annotations that are strings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class ProcessesConf:
    """Options of the launcher.

    Attributes:
        jobs: processes at a time.
        timeout_s: seconds after which a job is stopped and counts as failed; null for no limit.
    """

    _target_: str = "hydra_plugins.interestingness_processes.ProcessesLauncher"
    jobs: int = 1
    timeout_s: Optional[float] = None  # noqa: UP045  OmegaConf 2.3 knows this spelling


ConfigStore.instance().store(
    group="hydra/launcher", name="processes", node=ProcessesConf, provider="interestingness"
)


class ProcessesLauncher(Launcher):
    """Runs each job of a sweep as a process of its own.

    Hydra's basic launcher runs jobs inside its own process: one crash, or the kernel when memory
    runs out, takes the jobs that are left with it.
    """

    def __init__(self, jobs: int, timeout_s: Optional[float]) -> None:  # noqa: UP045
        """Keep the options; see ``ProcessesConf``."""
        self.jobs, self.timeout_s = jobs, timeout_s

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Called by Hydra once for a sweep."""
        from interestingness.sweeps.launcher import Sweep

        self.sweep: Any = Sweep(hydra_context, config, at_once=self.jobs, timeout_s=self.timeout_s)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Called by Hydra for each batch of jobs."""
        returns: Sequence[JobReturn] = self.sweep.launch(job_overrides, initial_job_idx)
        return returns
