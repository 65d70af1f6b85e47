"""`crux disputes list | show | replay`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from offchain.agents.bench import Bench
from offchain.chain.client import Chain
from offchain.chain.games import GameView
from offchain.chain.records import GameId, Terms
from offchain.cli.bars import show_steps
from offchain.cli.options import (
    HOME,
    json_option,
    network_options,
    open_chain,
    open_store,
    print_json,
    store_option,
)
from offchain.disputes import (
    OUTCOMES,
    Place,
    compute_own_word,
    describe_path,
    describe_verdict,
    describe_word,
)


class NothingToReplay(ValueError):
    """The game ended before it came to one element."""


@click.group()
def disputes() -> None:
    """Games about claims: which there are, where they went, whether the verdict is right."""


@disputes.command("list")
@network_options
@json_option
def list_disputes(network: str, manifest: Path, as_json: bool) -> None:
    """All games, the latest first."""
    with open_chain(network, manifest) as chain:
        rows = []
        for game_id in chain.games.get_game_ids():
            view, _ = get_game(chain, game_id)
            rows.append(_describe(chain, view))
    if as_json:
        print_json(rows)
        return
    table = Table("game", "task", "claim", "challenger", "moves", "level", "outcome", box=None)
    for row in rows:
        table.add_row(
            *(str(row[name]) for name in ("game", "task", "claim", "challenger")),
            str(row["moves"]),
            row["level"],
            row["outcome"],
        )
    Console().print(table)


@disputes.command("show")
@click.argument("game_id", type=click.IntRange(1))
@network_options
@store_option
@json_option
def show_dispute(game_id: int, network: str, manifest: Path, store_url: str, as_json: bool) -> None:
    """One game: its path in words, its moves, its verdict."""
    store = open_store(store_url)
    with open_chain(network, manifest) as chain:
        view, terms = get_game(chain, GameId(game_id))
        program = store.get_program(terms.program_root)
        verdict = chain.games.get_verdict(view.id)
        places = [*describe_path(view.game, program), *describe_verdict(view.game, verdict)]
        history = chain.games.get_history(view.id)
        if as_json:
            print_json(
                {
                    **_describe(chain, view),
                    "path": [asdict(place) for place in places],
                    "events": [{"event": event.name, "block": event.block} for event in history],
                }
            )
            return
    console = Console()
    _print_places(console, [*places, Place("outcome", OUTCOMES[view.game.outcome])])
    console.print()
    for event in history:
        console.print(f"block {event.block:>8}  {event.name}", highlight=False)


@disputes.command("replay")
@click.argument("game_id", type=click.IntRange(1))
@network_options
@store_option
@click.option("--device", default="cpu", show_default=True)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=HOME,
    show_default=True,
)
@json_option
def replay_dispute(
    game_id: int,
    network: str,
    manifest: Path,
    store_url: str,
    device: str,
    home: Path,
    as_json: bool,
) -> None:
    """Execute the task again up to the contested element, and compare with both sides."""
    bench = Bench(open_store(store_url), home / "runs" / "replay", device)
    with open_chain(network, manifest) as chain:
        view, terms = get_game(chain, GameId(game_id))
        verdict = chain.games.get_verdict(view.id)
    if verdict is None:
        raise NothingToReplay(f"game {game_id}: nothing was proved in it")
    with show_steps("replay") as progress:
        bench.train(terms, progress)
    own = compute_own_word(view.game, bench.get_evidence(terms))
    program = bench.load(terms).program
    if as_json:
        words = {"claimed": verdict.claimed, "computed": verdict.computed, "own": own}
        print_json({**words, "chain_is_right": own == verdict.computed})
        return
    places = [
        *describe_path(view.game, program),
        *describe_verdict(view.game, verdict),
        Place("this machine", describe_word(own, view.game.dtype)),
    ]
    _print_places(Console(), places)


def get_game(chain: Chain, game_id: GameId) -> tuple[GameView, Terms]:
    """A game and the terms of its task. Raises ChainError."""
    claim = chain.escrow.get_claim(chain.games.get_claim_id(game_id))
    terms = chain.escrow.get_terms(claim.task_id)
    return chain.games.get_game(game_id, claim, terms), terms


def _describe(chain: Chain, view: GameView) -> dict[str, Any]:
    game = view.game
    return {
        "game": view.id,
        "task": chain.escrow.get_claim(view.claim_id).task_id,
        "claim": view.claim_id,
        "worker": game.subject.worker,
        "challenger": game.challenger,
        "moves": game.move,
        "stage": game.stage.name.lower(),
        "level": game.level.name.lower(),
        "outcome": OUTCOMES[game.outcome],
    }


def _print_places(console: Console, places: list[Place]) -> None:
    table = Table("", "", show_header=False, box=None)
    for place in places:
        table.add_row(place.level, escape(place.words))
    console.print(table)
