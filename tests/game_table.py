"""The game's two machines side by side: every move is made on both, and they must agree."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import boa

from offchain.chain.encoding import encode_proof
from protocol import moves, verifier
from protocol.descriptor import VerifierError
from protocol.game import (
    Game,
    Level,
    Outcome,
    Preset,
    Stage,
    compute_deadline,
    process_claim_slashed,
    process_game_opened,
    process_move,
    process_open,
)
from protocol.instructions import Instruction, encode_instruction
from protocol.refusals import GameError
from protocol.strategy import build_pick, compute_challenger_move, compute_worker_move
from protocol.types import Seconds
from tests.disputes import BOND, PRESET, REEXECUTION_SECONDS, make_subject
from tests.economy import Economy, deploy_economy, get_deployer
from tests.economy import Terms as EconomyTerms
from tests.evidence import SpecEvidence, compute_genesis_root


def encode(value: Any) -> Any:
    """A protocol value as the contract's ABI has it."""
    if isinstance(value, Instruction):
        words = encode_instruction(value)
        return _decode_instruction([words[i : i + 32] for i in range(0, len(words), 32)])
    if is_dataclass(value):
        return tuple(encode(getattr(value, item.name)) for item in fields(value))
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def _decode_instruction(words: list[bytes]) -> tuple[Any, ...]:
    numbers = iter([int.from_bytes(word, "big", signed=True) for word in words])

    def take(count: int) -> list[int]:
        return [next(numbers) for _ in range(count)]

    head, shape, fold, attributes = take(3), take(8), take(1), take(4)
    operands = [(*take(5), take(8)) for _ in range(3)]
    return (*head, shape, *fold, attributes, operands)


def encode_arguments(move: moves.Move) -> list[Any]:
    """What the contract's function takes for a move, after the game's id."""
    if isinstance(move, moves.Prove):
        before = (move.move, move.posted, move.agreed, move.data)
        return [*map(encode, before), encode_proof(move)]
    return [*encode(move)]


def compute_function_name(move: moves.Move) -> str:
    """The contract's function for a move."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(move).__name__).lower()


def describe(game: Game) -> dict[str, Any]:
    """What the contract's `game_of` must say."""
    names = (
        "challenger stage level outcome move node height index count indices posted size dtype "
        "chunks worker_left challenger_left since claim_slashed opened"
    )
    told = {name: getattr(game, name) for name in names.split()}
    told["indices"] = list(game.indices)
    return told | {"worker": game.subject.worker, "bond": game.subject.bond}


@dataclass(frozen=True)
class Place:
    """What a challenger points at: a leaf of every level's vector, and an element of the leaf."""

    leaves: tuple[int, ...]
    position: int = 0


@dataclass
class Table:
    """One claim on the real contracts, and games about it on both machines."""

    economy: Economy
    contract: Any
    claim_id: int
    claimed: SpecEvidence
    preset: Preset = PRESET
    games: dict[int, Game] = field(default_factory=dict)
    met: Counter[str] = field(default_factory=Counter)
    gas: list[tuple[str, int]] = field(default_factory=list)
    shown: dict[int, Any] = field(default_factory=dict)
    logs: list[Any] = field(default_factory=list)  # of the last move

    @property
    def worker(self) -> str:
        return self.economy.worker

    @property
    def root(self) -> bytes:
        return self.claimed.claim_tree().root

    def open(self, challenger: str | None = None) -> int:
        challenger = challenger or self.economy.challenger
        self.economy.fund(challenger, BOND, self.contract)
        game_id = self.contract.open(self.claim_id, self.root, sender=challenger)
        self._note_gas("open")
        subject = make_subject(self.claimed, self.worker)
        now, before = Seconds(boa.env.timestamp), len(self.games)
        for other, game in self.games.items():
            self.games[other] = process_game_opened(game)
            self.check(other)
        self.games[game_id] = process_open(self.preset, subject, self.root, challenger, now, before)
        self.check(game_id)
        return game_id

    def check(self, game_id: int) -> None:
        """Both machines must be in the same state."""
        game, seen = self.games[game_id], self.contract.game_of(game_id)
        expected = describe(game)
        assert {name: getattr(seen, name) for name in expected} == expected
        assert self.contract.deadline_of(game_id) == compute_deadline(game)

    def play(self, game_id: int, move: moves.Move, caller: str) -> str:
        """Make the move on both machines; the reason of the refusal, or nothing."""
        game, now = self.games[game_id], Seconds(boa.env.timestamp)
        call = self._get_call(game_id, move, caller)
        try:
            after = process_move(game, move, caller, now, verifier)
        except (GameError, VerifierError) as error:
            with boa.reverts(str(error)):
                call()
            self.met[str(error)] += 1
            self.check(game_id)
            return str(error)
        call()
        self.logs = self.contract.get_logs()
        self._note_gas(compute_function_name(move))
        self.games[game_id] = after
        if after.outcome is Outcome.CHALLENGER_WON:
            for other, item in self.games.items():
                self.games[other] = process_claim_slashed(item)
            self.games[game_id] = replace(after, claim_slashed=True)
        self._note(game, move, after)
        self.shown[game_id] = moves.get_shown(move)
        self.check(game_id)
        return ""

    def get_event(self, name: str) -> dict[str, Any]:
        """The fields of the only event of that name in the last move."""
        found = [log for log in self.logs if type(log).__name__ == name]
        assert len(found) == 1, f"{name}: {len(found)} in {self.logs}"
        return found[0]._asdict()

    def _get_call(self, game_id: int, move: moves.Move, caller: str) -> Callable[[], Any]:
        function = getattr(self.contract, compute_function_name(move))
        arguments = encode_arguments(move)
        return lambda: function(game_id, *arguments, sender=caller)

    def _note_gas(self, name: str) -> None:
        self.gas.append((name, self.contract._computation.get_gas_used()))

    def _note(self, before: Game, move: moves.Move, after: Game) -> None:
        self.met[compute_function_name(move)] += 1
        self.met[f"{before.level.name} {before.stage.name}"] += 1
        if after.stage is Stage.ENDED:
            self.met[after.outcome.name] += 1

    def advance(self, game_id: int, level: Level, stage: Stage, place: "Place") -> Game:
        """Play on, with a challenger that points at `place`, until that level and stage."""
        while (self.games[game_id].level, self.games[game_id].stage) != (level, stage):
            game = self.games[game_id]
            move: moves.SideMove | None
            if game.stage is Stage.PICK:
                below = game.height - game.depth
                child = (place.leaves[game.level] >> below) - (game.index << game.depth)
                move = build_pick(game, child, self.shown[game_id])
            elif game.stage is Stage.PICK_ELEMENT:
                move = moves.PickElement(game.move, place.position)
            else:
                move = compute_worker_move(game, self.claimed)
            assert move is not None
            caller = game.challenger if game.is_challenger_owing() else self.worker
            assert self.play(game_id, move, caller) == ""
        return self.games[game_id]

    def owe(self, game_id: int) -> Any:
        """The honest worker's owed move."""
        return compute_worker_move(self.games[game_id], self.claimed)

    def play_out(self, game_id: int, challenger_evidence: SpecEvidence) -> Outcome:
        """Both sides play honestly by what they hold, until the end."""
        while self.games[game_id].stage is not Stage.ENDED:
            game = self.games[game_id]
            move: moves.SideMove | None
            if game.is_challenger_owing():
                shown = self.shown[game_id]
                move = compute_challenger_move(game, challenger_evidence, shown)
                assert move is not None, f"{game.level.name}: nothing differs"
                assert self.play(game_id, move, game.challenger) == ""
            else:
                move = compute_worker_move(game, self.claimed)
                assert move is not None
                assert self.play(game_id, move, self.worker) == ""
        return self.games[game_id].outcome


def lay_table(claimed: SpecEvidence, preset: Preset = PRESET, stand_in: Any = None) -> Table:
    """Deploy everything, and claim the run of `claimed`."""
    economy = deploy_economy()
    map_unit = get_deployer("MapUnit").deploy()
    contract = get_deployer("ChallengeGame").deploy(
        economy.token,
        economy.escrow,
        stand_in or get_deployer("StepVerifier").deploy(map_unit),
        preset.worker_award_bps,
        preset.worker_seconds,
        preset.challenger_seconds,
        preset.minimum_move_seconds,
        override_address=economy.game,
    )
    run = claimed.run
    economy.terms = EconomyTerms(
        run.program.root,
        compute_genesis_root(run),
        run.dataset.root,
        run.seed,
        run.dataset.records,
        run.segments,
        run.segment_length,
        REEXECUTION_SECONDS,
    )
    task_id = economy.post()
    economy.assign(task_id)
    claim_id = economy.claim_tree(task_id, claimed.claim_tree())
    return Table(economy, contract, claim_id, claimed, preset)
