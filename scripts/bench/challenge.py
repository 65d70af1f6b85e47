"""A dispute of the demo's size on a chain: gas by kind of move, and the time from claim to verdict.

`python -m scripts.bench.challenge` prints the table. The worker and the challenger take turns in
one process; the challenger executes the whole run again before it challenges.
"""

import tempfile
import time
from pathlib import Path

from offchain.agents.challenger import Challenger
from offchain.agents.faults import build_lies
from offchain.agents.worker import Worker
from offchain.chain.records import TaskStatus
from offchain.demo import acts, model
from offchain.demo.town import found_town
from offchain.store.bundles import save_bundle
from protocol.validation import validate
from scripts.bench.dispute import format_table

SEGMENTS, SEGMENT_LENGTH, LIE_STEP = 4, 8, 9


def measure_challenge() -> str:
    """Markdown: the moves of one dispute, and where its time went."""
    with tempfile.TemporaryDirectory() as folder, found_town(Path(folder)) as town:
        for name, roles in acts.PEOPLE.items():
            town.add(name, roles)
        lesson = model.prepare_lesson()
        roots = save_bundle(
            town.store, lesson.captured.program, lesson.captured.genesis, lesson.dataset
        )
        operations = validate(lesson.captured.program).operations
        run = (lesson.dataset.records, SEGMENTS, SEGMENT_LENGTH, operations)
        terms = acts.build_terms(roots, *run)
        layer = f"blocks.{lesson.config.layers - 1}.mlp.fc.weight"
        lies = build_lies(LIE_STEP, layer, f"optimizer.{layer}.exp_avg", "matmul")
        liar, watcher = town.people["worker"], town.people["challenger"]
        liar.bench.build_strategy = next(lie for lie in lies if lie.name == "element").build
        task_id = acts.post(town, terms)
        worker = Worker(liar.chain, liar.bench)
        acts.settle(town, worker, is_over=lambda: acts.is_status(town, task_id, TaskStatus.CLAIMED))
        claim_id = acts.get_claim_id(town, task_id)
        before = {person.name: len(person.receipts) for person in (liar, watcher)}

        claimed = time.perf_counter()
        challenger = Challenger(watcher.chain, watcher.bench)
        challenger.tick()  # executes, compares, opens
        opened = time.perf_counter()
        acts.settle(town, challenger, worker, is_over=lambda: acts.is_decided(town, claim_id))
        decided = time.perf_counter()

        receipts = sorted(
            (r for p in (liar, watcher) for r in p.receipts[before[p.name] :]),
            key=lambda receipt: receipt.block,
        )
        moves = [
            (r.action.split(": ")[-1].split(" ")[0].replace("challenge", "open"), r.gas_used)
            for r in receipts
            if r.action.startswith(("game ", "challenge claim"))
        ]
    steps = SEGMENTS * SEGMENT_LENGTH
    return (
        f"From claim to verdict {decided - claimed:.1f} s: {opened - claimed:.1f} s to execute the "
        f"{steps} steps again and challenge, {decided - opened:.1f} s for both sides' moves.\n\n"
        f"{format_table(moves)}"
    )


def measure_table(device: str) -> str:
    """Markdown."""
    return measure_challenge()


if __name__ == "__main__":
    print(measure_challenge())
