"""The demo's report, on the screen and as a file."""

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from offchain.chain.records import Balances, TaskStatus
from offchain.chain.token import Token
from offchain.demo.acts import Audited, Dispute, Honest
from offchain.demo.model import Lesson
from offchain.disputes import OUTCOMES, describe_path, describe_verdict
from protocol.program import Program
from protocol.validation import validate

LOSSES_SHOWN = 8
GAS_COLUMNS = 2
SHOWN_DECIMALS = 3  # of an amount
SPARKS = "▁▂▃▄▅▆▇█"


def show_submission(console: Console, lesson: Lesson, task_steps: int) -> None:
    """What was captured."""
    program = lesson.captured.program
    cost = validate(program)
    table = Table("", "", show_header=False, box=None)
    table.add_row("text", f"{len(lesson.text.tokens):,} characters of the standard library")
    table.add_row("model", f"GPT, {lesson.config.layers} layers, {lesson.config.channels} channels")
    table.add_row(
        "program",
        f"{len(program.operators)} operators, {cost.instructions} instructions, "
        f"{len(program.slots)} state tensors ({cost.state_bytes / 1e6:.1f} MB)",
    )
    table.add_row("cost of a step", f"{cost.operations / 1e6:,.0f} million operations")
    table.add_row("run", f"{task_steps} steps of {program.rows} windows")
    table.add_row("program root", program.root.hex())
    console.print(Panel(table, title="1. Submitted", title_align="left"))


def show_honest(
    console: Console,
    token: Token,
    honest: Honest,
    losses: Mapping[str, float],
    sample: str,
) -> None:
    """The honest run: auction, loss, quality, payment."""
    auction = Table("seconds", "reward", box=None)
    for column in auction.columns:
        column.justify = "right"
    for elapsed, price in honest.prices:
        auction.add_row(str(elapsed), format_short(token, price))
    title = "2. Auction: the reward rises until the worker takes the task"
    console.print(Panel(auction, title=title, title_align="left"))
    shown = honest.losses[:: max(1, len(honest.losses) // LOSSES_SHOWN)]
    if shown[-1] != honest.losses[-1]:
        shown.append(honest.losses[-1])
    table = Table(*[str(step) for step, _ in shown], box=None)
    table.add_row(*[f"{loss:.3f}" for _, loss in shown])
    title = "   Honest run: training loss after so many steps"
    console.print(Panel(table, title=title, title_align="left"))
    console.print(f"  {_draw([loss for _, loss in honest.losses])}")
    for name, loss in losses.items():
        console.print(f"  validation loss, {name}: [bold]{loss:.4f}[/bold]")
    console.print(Panel(escape(sample), title="sample of the fetched weights", title_align="left"))
    show_balances(console, token, honest.before, honest.after)


def show_audit(console: Console, token: Token, audited: Audited) -> None:
    """What was executed again, who was paid for it, who was not."""
    first, last = audited.segments
    table = Table("", "", show_header=False, box=None)
    table.add_row("drawn", f"segments {first} to {last}, by a block's hash after the claim")
    table.add_row("fee", token.format(audited.fee))
    for name, status in audited.statuses.items():
        table.add_row(name, f"[bold]{status.name.lower()}[/bold]")
    title = "3. Audit: one auditor executes, one copies"
    console.print(Panel(table, title=title, title_align="left"))
    show_balances(console, token, audited.before, audited.after)
    console.print(f"  burned so far: {token.format(audited.burned)}\n")


def show_dispute(
    console: Console, token: Token, number: str, dispute: Dispute, program: Program
) -> None:
    """Where it went, who won, what it cost."""
    game = dispute.view.game
    table = Table("", "", show_header=False, box=None)
    table.add_row("lie" if game.outcome.name == "CHALLENGER_WON" else "claim", dispute.description)
    for place in (*describe_path(game, program), *describe_verdict(game, dispute.verdict)):
        table.add_row(place.level, escape(place.words))
    table.add_row("outcome", f"[bold]{OUTCOMES[game.outcome]}[/bold]")
    if dispute.task_status is TaskStatus.POSTED:
        table.add_row("task", "open again, its reward intact")
    console.print(Panel(table, title=f"{number} {escape(dispute.title)}", title_align="left"))
    show_gas(console, dispute)
    show_balances(console, token, dispute.before, dispute.after)
    console.print(f"  burned so far: {token.format(dispute.burned)}\n")


def show_gas(console: Console, dispute: Dispute) -> None:
    """Every move's gas, down one column after the other."""
    moves = dispute.moves
    rows = -(-len(moves) // GAS_COLUMNS)
    table = Table(*["", "move", "gas"] * GAS_COLUMNS, box=None)
    for column in table.columns[2::3]:
        column.justify = "right"
    for row in range(rows):
        cells: list[str] = []
        for who, receipt in moves[row::rows]:
            cells += [who, receipt.action.split(": ")[-1], f"{receipt.gas_used:,}"]
        table.add_row(*cells)
    console.print(table)
    total = sum(receipt.gas_used for _, receipt in moves)
    console.print(f"  [bold]{len(moves)} transactions, {total:,} gas[/bold]")


def show_balances(
    console: Console, token: Token, before: Mapping[str, Balances], after: Mapping[str, Balances]
) -> None:
    """The tokens, wherever they are, of everybody who has more or less of them than before."""
    table = Table("", "before", "after", "change", box=None)
    for name in after:
        old, new = before[name].total if name in before else 0, after[name].total
        if old != new:
            sign = "+" if new > old else "-"
            change = sign + format_short(token, abs(new - old))
            table.add_row(name, format_short(token, old), format_short(token, new), change)
    for column in table.columns[1:]:
        column.justify = "right"
    console.print(table)
    console.print()


def format_short(token: Token, amount: int) -> str:
    """An amount in words, rounded to a few decimals."""
    unit = 10 ** max(0, token.decimals - SHOWN_DECIMALS)
    return token.format((amount + unit // 2) // unit * unit)


def _draw(values: list[float], width: int = 60) -> str:
    """A curve of block characters."""
    size = max(1, len(values) // width)
    means = [
        sum(values[i : i + size]) / len(values[i : i + size]) for i in range(0, len(values), size)
    ]
    low, high = min(means), max(means)
    scale = (len(SPARKS) - 1) / (high - low) if high > low else 0
    return "".join(SPARKS[round((mean - low) * scale)] for mean in means)
