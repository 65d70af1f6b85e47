"""What a submitter gets for its money: the trained weights, verified against the chain."""

from collections.abc import Mapping
from pathlib import Path

from offchain.chain.client import Chain
from offchain.chain.records import Claim, TaskId, TaskStatus
from offchain.layout import Layout, MalformedLayout, arrange, decode_layout, guess_layout
from offchain.store.artifacts import Store
from offchain.store.errors import StoreError
from offchain.store.notes import LAYOUT, get_note
from offchain.store.weights import save_tensors
from protocol.execution import State
from protocol.program import Program


class NotFinished(ValueError):
    """The task has no accepted result yet."""


def fetch_weights(chain: Chain, store: Store, task_id: TaskId, path: Path) -> Program:
    """Write the task's trained weights as safetensors; returns the task's program.

    Raises `NotFinished`, ChainError, StoreError.
    """
    task = chain.escrow.get_task(task_id)
    if task.status is not TaskStatus.FINALISED:
        words = f"task {task_id}: is {task.status.name.lower()}, its result is not accepted yet"
        if task.status is TaskStatus.CLAIMED:
            words += f"; `crux attest {task_id}` fetches what is claimed and says that it is there"
        raise NotFinished(words)
    return fetch_claimed_weights(chain, store, chain.escrow.get_claim(task.claim_id), path)


def fetch_claimed_weights(chain: Chain, store: Store, claim: Claim, path: Path) -> Program:
    """The same of any claim, accepted or not. Raises ChainError, StoreError."""
    program = store.get_program(chain.escrow.get_terms(claim.task_id).program_root)
    state = store.get_state(claim.final_state_root, program.slots)
    metadata = {"task": str(claim.task_id), "state_root": claim.final_state_root.hex()}
    save_module_weights(path, store, program, state, metadata)
    return program


def save_module_weights(
    path: Path, store: Store, program: Program, state: State, metadata: Mapping[str, str]
) -> None:
    """Write what the module's `load_state_dict` takes. Raises StoreError."""
    tensors = arrange(state, program.slots, find_layout(store, program))
    # Other programs ask for a `format` before they read a file.
    save_tensors(path, tensors, {"format": "pt", **metadata})


def find_layout(store: Store, program: Program) -> Layout:
    """The layout that was noted at compile; without a good one, the slots' own names."""
    try:
        return decode_layout(get_note(store, LAYOUT, program.root), program.slots)
    except (StoreError, MalformedLayout):
        return guess_layout(program.slots)
