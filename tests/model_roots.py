"""State roots of models of the zoo after a few steps; run by itself, by a process of a group."""

import json
import sys

import torch

from offchain.kernels.reading import to_torch
from offchain.kernels.settings import numeric_settings
from offchain.runner.commitments import compute_state_root
from offchain.runner.group import Group
from offchain.runner.plan import Plan
from offchain.runner.shared_plan import SharedPlan
from scripts.zoo import plain
from scripts.zoo.entry import Entry
from scripts.zoo.measure import capture_entry

STEPS = 2
CPU = torch.device("cpu")


def get_entries(names: list[str]) -> list[Entry]:
    """The models of those names; of two with one name, the plain one."""
    known = {entry.name: entry for entry in plain.ENTRIES}
    try:
        from scripts.zoo import pretrained
    except ImportError:  # requirements-zoo.txt is not installed
        pass
    else:
        known = {entry.name: entry for entry in pretrained.ENTRIES} | known
    return [known[name] for name in names if name in known]


def compute_root(entry: Entry, group: Group | None) -> str:
    """The root after STEPS steps, by one process or by this one's part."""
    generator = torch.Generator().manual_seed(1)
    batches = [entry.make_batch(generator) for _ in range(STEPS)]
    _, captured = capture_entry(entry, batches[0])
    program = captured.program
    with numeric_settings():
        plan = Plan(program, CPU) if group is None else SharedPlan(program, CPU, group)
        rows = range(program.rows) if group is None else group.compute_rows(program.rows)
        state = tuple(to_torch(array) for array in captured.genesis)
        for batch in batches:
            fields = tuple(
                (x if x.dtype is torch.float32 else x.to(torch.int32))[rows.start : rows.stop]
                for x in batch.values()
            )
            state, _ = plan.execute(state, fields)
    return compute_state_root(state).hex()


def main() -> None:
    """Print the roots of the models that the command line names."""
    with Group(CPU) as group:
        roots = {entry.name: compute_root(entry, group) for entry in get_entries(sys.argv[1:])}
        if group.is_first:
            print(json.dumps(roots))


if __name__ == "__main__":
    main()
