"""All that is needed to run a task, found and verified by the roots in its terms."""

from dataclasses import dataclass
from typing import Protocol

from offchain.store.artifacts import Advance, Store, check_dataset, check_state
from offchain.store.errors import ArtifactTooLarge
from protocol.cost import Cost
from protocol.execution import Dataset, State
from protocol.program import Program
from protocol.types import Root
from protocol.validation import validate, validate_task


class Terms(Protocol):
    """What a task's terms say about its artifacts; the chain's own record of terms fits."""

    @property
    def program_root(self) -> Root: ...
    @property
    def genesis_root(self) -> Root: ...
    @property
    def dataset_root(self) -> Root: ...
    @property
    def records(self) -> int: ...
    @property
    def segments(self) -> int: ...
    @property
    def segment_length(self) -> int: ...


@dataclass(frozen=True)
class Roots:
    """What the submitter writes into the terms."""

    program: Root
    genesis: Root
    dataset: Root


@dataclass(frozen=True)
class TaskBundle:
    """A task's artifacts, verified."""

    program: Program
    cost: Cost
    genesis: State
    dataset: Dataset


def save_bundle(
    store: Store,
    program: Program,
    genesis: State,
    dataset: Dataset,
    advance: Advance | None = None,
) -> Roots:
    """Store a task's artifacts; loading them takes nothing but the terms.

    `advance` is told of the dataset's bytes as they are hashed, then as they are written.
    Raises InvalidProgram, InvalidTask, WrongTensor, NonCanonicalNan, StoreUnavailable.
    """
    validate(program)
    validate_task(program, dataset.records, segments=1, segment_length=1)
    check_state(genesis, program.slots)
    check_dataset(dataset, program.fields)
    return Roots(
        store.put_program(program), store.put_state(genesis), store.put_dataset(dataset, advance)
    )


def compute_dataset_bytes(program: Program, records: int) -> int:
    """Bytes of all fields' tensors."""
    return sum(f.compute_length(records) * f.dtype.size_bytes for f in program.fields)


def load_bundle(store: Store, terms: Terms, max_bytes: int) -> TaskBundle:
    """Fetch a task's artifacts, each verified against the terms before it is used.

    `max_bytes` limits state and dataset together and is compared before either is fetched.
    Raises StoreError, InvalidProgram, InvalidTask.
    """
    program = store.get_program(terms.program_root)
    validate_task(program, terms.records, terms.segments, terms.segment_length)
    cost = validate(program)
    needed = cost.state_bytes + compute_dataset_bytes(program, terms.records)
    if needed > max_bytes:
        raise ArtifactTooLarge(
            f"task {terms.program_root.hex()}: {needed} bytes of state and dataset, "
            f"limit {max_bytes}"
        )
    genesis = store.get_state(terms.genesis_root, program.slots)
    dataset = store.get_dataset(terms.dataset_root, program.fields, terms.records)
    return TaskBundle(program, cost, genesis, dataset)
