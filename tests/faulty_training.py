"""`crux train` in a group whose process 1 fails in some way, for tests of what the others do."""

import os
import sys
from typing import Any

from offchain.cli import main
from offchain.runner.step import Stepper

LAST_STEP = 3  # the first that process 1 does not finish


def die(stepper: Stepper, state: Any, step: int, *rest: Any, **more: Any) -> Any:
    """Computes steps, up to one."""
    if step == LAST_STEP:
        os._exit(9)
    return run_step(stepper, state, step, *rest, **more)


def err(stepper: Stepper, state: Any, step: int, *rest: Any, **more: Any) -> Any:
    """Computes steps; one bit of one element is wrong after one of them."""
    after, reported = run_step(stepper, state, step, *rest, **more)
    if step == LAST_STEP:
        wrong = after[0].clone().reshape(-1)
        wrong[0] += 1
        after = (wrong.reshape(after[0].shape), *after[1:])
    return after, reported


run_step = Stepper.run_step

if __name__ == "__main__":
    fault, *arguments = sys.argv[1:]
    if os.environ["RANK"] == "1":
        match fault:
            case "die":
                Stepper.run_step = die  # type: ignore[method-assign,assignment]
            case "err":
                Stepper.run_step = err  # type: ignore[method-assign,assignment]
            case "seed":
                arguments += ["--seed", "11" * 32]
    main(arguments)
