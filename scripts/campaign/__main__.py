"""Contract against protocol, at length: `python -m scripts.campaign --opcode ADD --seed 7`.

Compares every instruction, or those that are named, and calls with malformed arguments. Ends with
exit code 1 and a reproducer at the first difference. `--record` writes what was compared into
docs/verification.md and leaves out what stands there already for the same contracts, so that a
run that was stopped goes on where it was.
"""

import argparse
import datetime
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from protocol.instructions import Opcode
from scripts.campaign.elements import Figures, Mismatch, compare_instruction, is_batched
from scripts.campaign.malformed import compare_malformed
from scripts.campaign.record import MALFORMED, NAMES, Entry, read_entries, write_entry
from scripts.campaign.referee import Referee

CASES = 100_000
# Cases with real openings per case of arithmetic alone: these cost a hundred times as much.
ELEMENTS_SHARE = 20


def _compare(
    referee: Referee, name: str, cases: int, elements: int, seed: int, figures: Figures
) -> None:
    """Do the work behind a bar on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        bar = bars.add_task(name, total=cases + elements)

        def advance(count: int) -> None:
            bars.advance(bar, count)

        if name == MALFORMED:
            compare_malformed(referee, cases, seed, advance, figures)
        else:
            compare_instruction(referee, Opcode[name], cases, elements, seed, advance, figures)


def main() -> int:
    """Compare; 1 if anything differs."""
    parser = argparse.ArgumentParser(description="Compare the contracts with the protocol.")
    parser.add_argument("--opcode", choices=NAMES, action="append", help="default: all")
    parser.add_argument("--cases", type=int, default=CASES, help=f"of each; default {CASES:,}")
    parser.add_argument("--elements", type=int, help="of them with openings; default a twentieth")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--record", action="store_true", help="write docs/verification.md")
    arguments = parser.parse_args()
    share = arguments.cases // ELEMENTS_SHARE
    with Referee() as referee:
        for name in arguments.opcode or NAMES:
            elements = share if arguments.elements is None else arguments.elements
            if name == MALFORMED or not is_batched(Opcode[name]):
                elements = 0  # these have no other form than with openings
            done = read_entries().get(name)
            if arguments.record and done and done.code == referee.code and not done.mismatches:
                if done.seeded + done.elements >= arguments.cases and done.seed == arguments.seed:
                    print(f"{name}: recorded on {done.date}", flush=True)
                    continue
            start, mismatch = time.perf_counter(), None
            figures = Figures()
            try:
                _compare(referee, name, arguments.cases, elements, arguments.seed, figures)
            except Mismatch as error:
                mismatch = error
            seconds = time.perf_counter() - start
            if arguments.record:
                entry = Entry(
                    datetime.date.today().isoformat(),
                    referee.code,
                    arguments.seed,
                    figures.edges,
                    figures.seeded,
                    figures.elements,
                    int(mismatch is not None),
                    round(seconds),
                )
                write_entry(name, entry)
            if mismatch is not None:
                print(f"{name}: contract and protocol differ, seed {arguments.seed}\n{mismatch}")
                return 1
            kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(figures.met.items()))
            print(f"{name}: {figures.cases:,} cases in {seconds:.0f} s, no mismatch ({kinds})")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
