"""ChallengeGame: games as the specification's own record, and moves."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from offchain.chain.access import Bound
from offchain.chain.contract import Event
from offchain.chain.encoding import encode_move
from offchain.chain.errors import BadAnswer
from offchain.chain.records import (
    Address,
    Claim,
    ClaimId,
    GameId,
    Terms,
    check_address,
    check_amount,
)
from offchain.chain.sender import Receipt
from protocol import moves
from protocol.game_state import Game, Level, Outcome, Preset, Stage, Subject
from protocol.merkle import compute_leaf, compute_root_from_descendants
from protocol.types import (
    ELEMENTS_MAX,
    Root,
    Seconds,
    Wei,
    compute_ceil_log2,
)

# What a game's history is made of, in the contract's words.
MOVE_EVENTS = ("Revealed", "Picked", "Expanded", "LeafRevealed", "ElementPicked", "Proved")
EVENTS = ("GameOpened", *MOVE_EVENTS, "GameEnded", "BondSettled")


@dataclass(frozen=True)
class GameView:
    """A game, and what the worker showed in the move before: nodes, or the bytes of a leaf."""

    id: GameId
    claim_id: ClaimId
    game: Game
    nodes: tuple[Root, ...] = ()
    data: bytes = b""


@dataclass(frozen=True)
class Verdict:
    """What a game's proof showed: words as the verifier returns them."""

    claimed: bytes
    computed: bytes


@dataclass(frozen=True)
class Games(Bound):
    """Games, moves and bonds."""

    @cached_property
    def preset(self) -> Preset:
        """What the deployment chose; fixed for good."""
        return Preset(
            Seconds(self.read("worker_seconds")),
            Seconds(self.read("challenger_seconds")),
            Seconds(self.read("minimum_move_seconds")),
            int(self.read("worker_award_bps")),
        )

    def get_owed(self, account: Address) -> Wei:
        """What the account can withdraw here."""
        return Wei(self.read("owed_to", account))

    def get_game_ids(self) -> Iterator[GameId]:
        """Every game there is, the latest first."""
        return (GameId(i) for i in range(self._get_count(), 0, -1))

    def get_game_id(self, claim_id: ClaimId, challenger: Address) -> GameId | None:
        """The challenger's game against the claim."""
        found = int(self.read("game_id_of", claim_id, challenger))
        return GameId(found) if found else None

    def get_claim_id(self, game_id: GameId) -> ClaimId:
        """The claim that a game is about. Raises `Reverted` ("game: unknown game")."""
        return ClaimId(self.read_struct("game_of", game_id)["claim_id"])

    def get_game(self, game_id: GameId, claim: Claim, terms: Terms) -> GameView:
        """A game against `claim`, with what was last shown. Raises `Reverted`, `BadAnswer`."""
        values = self.read_struct("game_of", game_id)
        if values["claim_id"] != claim.id:
            raise BadAnswer(f"game {game_id}: is about claim {values['claim_id']}, not {claim.id}")
        bond = check_amount(f"game {game_id}: bond", values["bond"])
        game = _from_values(game_id, values, self.preset, _compute_subject(claim, terms, bond))
        nodes: tuple[Root, ...] = ()
        data = b""
        if game.stage is Stage.PICK:
            name = "Expanded" if game.is_expanded() else "Revealed"
            nodes = tuple(map(Root, self._get_shown(game_id, game, name)["nodes"]))
            shown = 2**game.depth == len(nodes)
            if not shown or compute_root_from_descendants(nodes) != game.node:
                raise BadAnswer(f"game {game_id}: the nodes shown are not the contested one's")
        elif game.stage is Stage.PICK_ELEMENT:
            data = bytes(self._get_shown(game_id, game, "LeafRevealed")["data"])
            if compute_leaf(data.ljust(2**10, b"\0")) != game.node:
                raise BadAnswer(f"game {game_id}: the revealed bytes are not the contested leaf")
        return GameView(game_id, claim.id, game, nodes, data)

    def get_history(self, game_id: GameId) -> list[Event]:
        """Everything that happened in a game, in order."""
        found = [event for name in EVENTS for event in self.get_events(name, game_id=game_id)]
        return sorted(found, key=lambda event: (event.block, event.log_index))

    def get_verdict(self, game_id: GameId) -> Verdict | None:
        """What the proof showed, where there was one."""
        for event in self.get_events("Proved", game_id=game_id):
            return Verdict(event.values["claimed"], event.values["computed"])
        return None

    def open(self, claim_id: ClaimId, claim_root: Root) -> tuple[GameId, Receipt]:
        """Challenge the claim with this root; needs an allowance of the task's bond."""
        receipt = self.send(f"challenge claim {claim_id}", "open", claim_id, claim_root)
        opened = self.contract.decode_logs("GameOpened", receipt.logs)
        if len(opened) != 1:
            raise BadAnswer(f"challenge claim {claim_id}: {len(opened)} games in the receipt")
        return GameId(opened[0].values["game_id"]), receipt

    def make(self, game_id: GameId, move: moves.Move) -> Receipt:
        """Make a move. Raises `Reverted` with the contract's reason, and nothing was sent."""
        function, arguments = encode_move(move)
        return self.send(f"game {game_id}: {function}", function, game_id, *arguments)

    def withdraw(self) -> Receipt:
        """Take everything that is owed to the sending account here."""
        return self.send("withdraw bond", "withdraw")

    def _get_count(self) -> int:
        count = int(self.read("game_count"))
        if count > 2**40:
            raise BadAnswer(f"game_count: {count}")
        return count

    def _get_shown(self, game_id: GameId, game: Game, name: str) -> dict[str, Any]:
        before = game.move - 1
        found = self.find_last_event(name, lambda e: e.values["move"] == before, game_id=game_id)
        if found is not None:
            return dict(found.values)
        raise BadAnswer(f"game {game_id}: no {name} event of move {game.move - 1}")


def _compute_subject(claim: Claim, terms: Terms, bond: Wei) -> Subject:
    return Subject(
        worker=claim.worker,
        claim_root=claim.root,
        program_root=terms.program_root,
        genesis_root=terms.genesis_root,
        dataset_root=terms.dataset_root,
        seed=terms.seed,
        records=terms.records,
        segments=terms.segments,
        segment_length=terms.segment_length,
        reexecution_seconds=terms.reexecution_seconds,
        bond=bond,
    )


def _from_values(game_id: GameId, values: dict[str, Any], preset: Preset, subject: Subject) -> Game:
    """The specification's record; its members have the same names."""
    height, index, count = values["height"], values["index"], values["count"]
    numbers = (height, index, count, values["size"], *values["indices"])
    in_bounds = max(numbers) <= ELEMENTS_MAX and height <= compute_ceil_log2(max(1, count))
    if not in_bounds:
        raise BadAnswer(f"game {game_id}: height {height}, index {index} of {count} leaves")
    try:
        stage, level = Stage(values["stage"]), Level(values["level"])
        outcome = Outcome(values["outcome"])
    except ValueError as error:
        raise BadAnswer(f"game {game_id}: {error}") from error
    same = (
        *("node", "count", "height", "since", "worker_left", "challenger_left", "move", "index"),
        *("posted", "size", "dtype", "chunks", "claim_slashed", "opened"),
    )
    return Game(
        preset=preset,
        subject=subject,
        challenger=check_address(values["challenger"]),
        stage=stage,
        level=level,
        outcome=outcome,
        indices=tuple(values["indices"]),
        **{name: values[name] for name in same},
    )
