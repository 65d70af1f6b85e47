"""An agent's workbench: artifacts, runs and evidence of tasks, by their terms.

Everything it keeps on disk is cache: checkpoints of a run lie in a folder named after all that
the run depends on, and whatever is missing or damaged is computed again.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import takewhile
from pathlib import Path

from offchain.chain.lottery import Stretch
from offchain.chain.records import Terms
from offchain.runner.checkpoints import Checkpoints, compute_run_id
from offchain.runner.curve import Curve, CurveLog
from offchain.runner.evidence import Evidence
from offchain.runner.speed import Speed, measure_speed
from offchain.runner.step import Stepper, to_device
from offchain.runner.strategy import Strategy
from offchain.runner.stretch import execute_stretch
from offchain.runner.training import Progress, Trained, train
from offchain.store.artifacts import Store
from offchain.store.bundles import TaskBundle, load_bundle
from protocol.execution import State
from protocol.program import Program
from protocol.types import Root, SegmentIndex, StepIndex

BUNDLE_BYTES_MAX = 2**35  # = 32 GiB of state and dataset
OPERATIONS_MAX = 10**19  # of a whole run: a day of the fastest device there is
TASKS_KEPT = 4  # bundles and evidence in memory at once: games of several tasks


class TaskTooCostly(ValueError):
    """The task asks for more work than the agent accepts."""


class UndeclaredOperations(ValueError):
    """A step takes more operations than the submitter declared, and is priced too low."""


@dataclass
class Bench:
    """Executes tasks. `build_strategy` is the honest one but for the liars of the demo."""

    store: Store
    folder: Path
    device: str = "cpu"
    threads: int | None = None
    bytes_max: int = BUNDLE_BYTES_MAX
    operations_max: int = OPERATIONS_MAX
    build_strategy: Callable[[Program], Strategy] | None = None
    _bundles: OrderedDict[Terms, TaskBundle] = field(default_factory=OrderedDict)
    _evidence: OrderedDict[Terms, Evidence] = field(default_factory=OrderedDict)

    def load(self, terms: Terms) -> TaskBundle:
        """The task's artifacts, every byte verified.

        Raises StoreError, InvalidProgram, InvalidTask, TaskTooCostly.
        """
        if terms not in self._bundles:
            bundle = load_bundle(self.store, terms, self.bytes_max)
            operations = bundle.cost.operations * terms.steps
            if operations > self.operations_max:
                raise TaskTooCostly(
                    f"task {terms.program_root.hex()}: {operations:.2e} operations, "
                    f"limit {self.operations_max:.2e}"
                )
            _keep(self._bundles, terms, bundle)
        return self._bundles[terms]

    def check_declared(self, terms: Terms) -> None:
        """Raises UndeclaredOperations, and what `load` raises."""
        operations = self.load(terms).cost.operations
        if operations > terms.step_operations:
            raise UndeclaredOperations(
                f"task {terms.program_root.hex()}: a step takes {operations} operations, "
                f"{terms.step_operations} are declared"
            )

    def measure(self, terms: Terms) -> Speed:
        """How fast this machine is at the task. Raises what `load` raises."""
        bundle, stepper = self.load(terms), self._build_stepper(terms)
        return measure_speed(stepper, to_device(bundle.program, bundle.genesis, stepper.device))

    def execute_stretch(
        self, terms: Terms, stretch: Stretch, start: State, progress: Progress | None = None
    ) -> Root:
        """State root after a stretch of segments, from the state before it.

        Raises what `load` raises, StateMismatch, NotCanonical.
        """
        first = StepIndex(stretch.first * terms.segment_length)
        steps = (stretch.last - stretch.first + 1) * terms.segment_length
        return execute_stretch(self._build_stepper(terms), start, first, steps, progress)

    def get_roots(self, terms: Terms) -> list[Root]:
        """State roots after the segments that `train` has finished so far."""
        checkpoints = self._get_checkpoints(terms)
        found = (checkpoints.read_root(SegmentIndex(s)) for s in range(terms.segments))
        return list(takewhile(lambda root: root is not None, found))  # type: ignore[arg-type]

    def get_state(self, terms: Terms, segment: int) -> State:
        """The state before a segment of the run that `train` made; it is computed where needed."""
        evidence, step = self.get_evidence(terms), segment * terms.segment_length
        return tuple(
            evidence.state_tensor(step, number).reshape(slot.shape)
            for number, slot in enumerate(evidence.program.slots)
        )

    def train(
        self, terms: Terms, progress: Progress | None = None, past_nan: bool = False
    ) -> Trained:
        """Run the task, or go on where an earlier process stopped.

        Raises Diverged, unless `past_nan`, besides what `load` raises.
        """
        bundle = self.load(terms)
        log = self._get_curve_log(terms)
        return train(
            bundle.program,
            bundle.dataset,
            bundle.genesis,
            terms.seed,
            terms.segments,
            terms.segment_length,
            self._get_folder(terms),
            device=self.device,
            strategy=self._get_strategy(bundle.program),
            threads=self.threads,
            progress=log.watch(progress),
            past_nan=past_nan,
        )

    def get_curve(self, terms: Terms) -> Curve:
        """Losses and times of the run that `train` made."""
        return self._get_curve_log(terms).read()

    def get_evidence(self, terms: Terms) -> Evidence:
        """Answers about the run that `train` made. Raises what `load` raises."""
        if terms not in self._evidence:
            bundle = self.load(terms)
            evidence = Evidence(
                bundle.program,
                bundle.dataset,
                bundle.genesis,
                terms.seed,
                terms.segments,
                terms.segment_length,
                self._get_checkpoints(terms),
                device=self.device,
                strategy=self._get_strategy(bundle.program),
                threads=self.threads,
            )
            _keep(self._evidence, terms, evidence)
        return self._evidence[terms]

    def _build_stepper(self, terms: Terms) -> Stepper:
        bundle = self.load(terms)
        strategy = self._get_strategy(bundle.program)
        return Stepper(
            bundle.program, bundle.dataset, terms.seed, self.device, strategy, self.threads
        )

    def _get_checkpoints(self, terms: Terms) -> Checkpoints:
        program = self.load(terms).program
        return Checkpoints(self._get_folder(terms), program, _compute_run_id(terms, program))

    def _get_curve_log(self, terms: Terms) -> CurveLog:
        return CurveLog(self._get_folder(terms) / "curve.csv")

    def _get_folder(self, terms: Terms) -> Path:
        words = (
            terms.program_root
            + terms.genesis_root
            + terms.dataset_root
            + terms.seed
            + terms.records.to_bytes(32, "big")
            + terms.segment_length.to_bytes(32, "big")
        )
        return self.folder / sha256(words).hexdigest()

    def _get_strategy(self, program: Program) -> Strategy | None:
        return self.build_strategy(program) if self.build_strategy is not None else None


def _compute_run_id(terms: Terms, program: Program) -> Root:
    return compute_run_id(
        program, terms.dataset_root, terms.genesis_root, terms.seed, terms.segment_length
    )


def _keep(kept: OrderedDict, terms: Terms, value: object) -> None:
    kept[terms] = value
    while len(kept) > TASKS_KEPT:
        kept.popitem(last=False)
