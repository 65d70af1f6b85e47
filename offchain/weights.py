"""What a submitter gets for its money: the trained weights, verified against the chain."""

from pathlib import Path

from offchain.chain.client import Chain
from offchain.chain.records import Claim, TaskId, TaskStatus
from offchain.store.artifacts import Store
from offchain.store.weights import save_state
from protocol.program import Program, Slot

# Slots that are no tensors of the module: capture names them so.
OTHER_SLOTS = ("optimizer.", "constant.")


class NotFinished(ValueError):
    """The task has no accepted result yet."""


def is_weight(slot: Slot) -> bool:
    """Whether a slot is a parameter or buffer of the module, under its name in `state_dict`."""
    return not slot.name.startswith(OTHER_SLOTS)


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
    kept = [(slot, tensor) for slot, tensor in zip(program.slots, state) if is_weight(slot)]
    save_state(
        path,
        tuple(tensor for _, tensor in kept),
        [slot for slot, _ in kept],
        {"task": str(claim.task_id), "state_root": claim.final_state_root.hex()},
    )
    return program
