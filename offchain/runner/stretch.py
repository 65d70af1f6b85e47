"""Part of a run from the state before it, as an auditor executes it."""

from offchain.runner.commitments import compute_state_root
from offchain.runner.step import Stepper, to_device
from offchain.runner.training import Progress
from protocol.execution import State
from protocol.types import Root, StepIndex


def execute_stretch(
    stepper: Stepper, start: State, first: StepIndex, steps: int, progress: Progress | None = None
) -> Root:
    """Root of the state after steps first to first + steps - 1; `start` is the one before them.

    NaNs do not stop it: a run that diverges has states like any other. Raises StateMismatch,
    NotCanonical.
    """
    state = to_device(stepper.program, start, stepper.device)
    for done in range(steps):
        state, reported = stepper.run_step(state, StepIndex(first + done), is_donated=True)
        if progress is not None:
            scalars = {name: float(value) for name, value in reported.items()}
            progress(done + 1, steps, scalars)
    return compute_state_root(state)
