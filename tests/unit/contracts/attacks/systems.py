"""The whole deployment with several claims at once, and its books."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boa

from protocol import moves
from protocol.game import Stage, compute_deadline
from protocol.strategy import compute_worker_move
from tests.disputes import BOND, PRESET, REEXECUTION_SECONDS
from tests.economy import Economy, Terms, deploy_economy, get_deployer
from tests.evidence import SpecEvidence, compute_genesis_root
from tests.game_table import Table

HERE = Path(__file__).resolve().parent


def load(name: str, *arguments: Any) -> Any:
    """Deploy one of the contracts beside this file."""
    return boa.load(str(HERE / f"{name}.vy"), *arguments)


def make_terms(claimed: SpecEvidence) -> Terms:
    run = claimed.run
    return Terms(
        run.program.root,
        compute_genesis_root(run),
        run.dataset.root,
        run.seed,
        run.dataset.records,
        run.segments,
        run.segment_length,
        REEXECUTION_SECONDS,
    )


@dataclass
class System:
    """All contracts, real ones, and a table for each claim."""

    economy: Economy
    contract: Any
    tables: dict[int, Table] = field(default_factory=dict)

    def claim(self, claimed: SpecEvidence, **changes: Any) -> Table:
        """A task posted, assigned and claimed."""
        task_id = self.economy.post(make_terms(claimed), **changes)
        return self.claim_task(task_id, claimed)

    def claim_task(self, task_id: int, claimed: SpecEvidence) -> Table:
        economy = self.economy
        economy.assign(task_id)
        claim_id = economy.claim_tree(task_id, claimed.claim_tree())
        self.tables[claim_id] = Table(economy, self.contract, claim_id, claimed)
        return self.tables[claim_id]

    def step(self, table: Table, game_id: int) -> None:
        """The owed move of a game about a run of single leaves."""
        game = table.games[game_id]
        if game.stage is Stage.PICK_ELEMENT:
            move: Any = moves.PickElement(game.move, 0)
            assert table.play(game_id, move, game.challenger) == ""
        else:
            owed = compute_worker_move(game, table.claimed)
            assert owed is not None
            assert table.play(game_id, owed, table.worker) == ""

    def check_books(self, accounts: list[str]) -> None:
        """Every contract holds what it owes, and the game owes what its games say."""
        economy, token = self.economy, self.economy.token
        undecided = 0
        for claim_id, table in self.tables.items():
            here = [game for game in table.games.values() if game.stage is not Stage.ENDED]
            assert economy.escrow.claim_of(claim_id).open_games == len(here)
            undecided += len(here)
        owed = sum(self.contract.owed_to(account) for account in accounts)
        assert self.contract.total_held() == undecided * BOND + owed
        assert token.balanceOf(self.contract) == self.contract.total_held()
        assert token.balanceOf(economy.vault) == economy.vault.total_staked()
        assert token.balanceOf(economy.splitter) == economy.splitter.total_owed()
        assert token.balanceOf(economy.escrow) == economy.escrow.total_escrowed()


def deploy_system(token: Any = None) -> System:
    # No audits here; with these times a claim can be challenged for 600 seconds.
    audits = dict.fromkeys(["draw", "commit", "open", "reveal"], 1)
    times = {f"{name}_seconds": seconds for name, seconds in audits.items()}
    economy = deploy_economy(token, challenge_seconds=596 - 2 * REEXECUTION_SECONDS, **times)
    verifier = get_deployer("StepVerifier").deploy(get_deployer("MapUnit").deploy())
    contract = get_deployer("ChallengeGame").deploy(
        economy.token,
        economy.escrow,
        verifier,
        PRESET.worker_award_bps,
        PRESET.worker_seconds,
        PRESET.challenger_seconds,
        PRESET.minimum_move_seconds,
        override_address=economy.game,
    )
    return System(economy, contract)


def pass_deadline(table: Table, game_id: int) -> None:
    boa.env.timestamp = max(boa.env.timestamp, compute_deadline(table.games[game_id]) + 1)
