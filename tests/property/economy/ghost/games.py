"""Games as far as money and deadlines go; what happens inside them is `protocol.game`."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from protocol import moves, verifier
from protocol.descriptor import VerifierError
from protocol.game import Game as Position
from protocol.game import (
    Outcome,
    Preset,
    Stage,
    compute_deadline,
    process_claim_slashed,
    process_game_opened,
    process_move,
    process_open,
)
from protocol.game import Subject as GameSubject
from protocol.refusals import GameError
from protocol.types import Root, Seconds, Seed, Wei
from tests.property.economy.ghost.base import (
    BURN_ADDRESS,
    WHOLE,
    ZERO_ADDRESS,
    Common,
    Refused,
    require,
)
from tests.property.economy.ghost.market import Claim, Escrow, Terms


@dataclass
class Entry:
    claim_id: int
    position: Position
    bond: int
    shown: Any = None  # what the worker has revealed last


@dataclass
class Games:
    common: Common
    escrow: Escrow
    preset: Preset
    entries: dict[int, Entry] = field(default_factory=dict)
    owed: Counter[str] = field(default_factory=Counter)

    @property
    def address(self) -> str:
        return self.common.addresses["game"]

    # What is told.

    def game_count(self) -> int:
        return len(self.entries)

    def game_id_of(self, claim_id: int, challenger: str) -> int:
        for key, entry in self.entries.items():
            if (entry.claim_id, entry.position.challenger) == (claim_id, challenger):
                return key
        return 0

    def deadline_of(self, game_id: int) -> int:
        require({"game: unknown game": game_id in self.entries})
        return compute_deadline(self.entries[game_id].position)

    def owed_to(self, account: str) -> int:
        return self.owed[account]

    def total_held(self) -> int:
        return self.owed.total() + sum(
            entry.bond for entry in self.entries.values() if entry.position.stage is not Stage.ENDED
        )

    # Calls.

    def open(self, sender: str, claim_id: int, claim_root: bytes) -> int:
        claim = self.escrow.claims.get(claim_id)
        worker = claim.worker if claim else ZERO_ADDRESS
        bond = self.escrow.offers[claim.task_id].bond if claim else 0
        require(
            {
                "game: another claim": claim is not None and claim_root == claim.root,
                "game: worker cannot challenge itself": sender != worker,
                "game: already challenged": self.game_id_of(claim_id, sender) == 0,
                **self.escrow.can_open(claim_id),
                **self.common.can_pull(sender, bond),
            }
        )
        assert claim is not None
        game_id = len(self.entries) + 1
        subject = make_subject(claim, self.escrow.terms[claim.task_id], bond)
        now, root = Seconds(self.common.now), Root(claim_root)
        others = [entry for entry in self.entries.values() if entry.claim_id == claim_id]
        for other in others:
            other.position = process_game_opened(other.position)
        position = process_open(self.preset, subject, root, sender, now, len(others))
        self.entries[game_id] = Entry(claim_id, position, bond)
        self.common.pay(sender, self.address, bond)
        self.escrow.process_game_opened(self.address, claim_id)
        self.common.note(
            "game",
            "GameOpened",
            game_id=game_id,
            claim_id=claim_id,
            challenger=sender,
            worker=claim.worker,
        )
        return game_id

    def play(self, sender: str, game_id: int, move: moves.Move) -> None:
        """Any move of a side, `Timeout` and `Drop`."""
        require({"game: unknown game": game_id in self.entries})
        entry = self.entries[game_id]
        try:
            after = process_move(entry.position, move, sender, Seconds(self.common.now), verifier)
        except (GameError, VerifierError) as error:
            raise Refused([str(error)]) from None
        if after.stage is Stage.ENDED:
            is_dropped = after.outcome is Outcome.DROPPED
            require(self.escrow.can_close(entry.claim_id, is_slashed=is_dropped))
        entry.position = after
        entry.shown = moves.get_shown(move)
        if after.stage is Stage.ENDED:
            self._end(game_id, entry, after.outcome)

    def _end(self, game_id: int, entry: Entry, outcome: Outcome) -> None:
        claim_id, challenger = entry.claim_id, entry.position.challenger
        worker = self.escrow.claims[claim_id].worker
        if outcome is Outcome.WORKER_WON:
            award = entry.bond * self.preset.worker_award_bps // WHOLE
            self._settle(game_id, worker, award, entry.bond)
            self.escrow.process_game_lost(self.address, claim_id)
        else:
            self._settle(game_id, challenger, entry.bond, entry.bond)
            if outcome is Outcome.DROPPED:
                self.escrow.process_game_dropped(self.address, claim_id)
            else:
                self.escrow.process_worker_lost(self.address, claim_id, challenger)
                self._mark_slashed(claim_id)
                entry.position = replace(entry.position, claim_slashed=True)
        self.common.note(
            "game", "GameEnded", game_id=game_id, claim_id=claim_id, outcome=int(outcome)
        )

    def process_claim_slashed(self, sender: str, claim_id: int) -> None:
        require({"game: not escrow": sender == self.common.addresses["escrow"]})
        self._mark_slashed(claim_id)

    def _mark_slashed(self, claim_id: int) -> None:
        for entry in self.entries.values():
            if entry.claim_id == claim_id:
                entry.position = process_claim_slashed(entry.position)

    def _settle(self, game_id: int, account: str, amount: int, bond: int) -> None:
        self.owed[account] += amount
        self.common.pay(self.address, BURN_ADDRESS, bond - amount)
        self.common.note(
            "game",
            "BondSettled",
            game_id=game_id,
            account=account,
            amount=amount,
            burned=bond - amount,
        )

    def withdraw(self, sender: str) -> int:
        amount = self.owed[sender]
        require({"game: nothing owed": amount != 0})
        self.owed[sender] = 0
        self.common.pay(self.address, sender, amount)
        self.common.note("game", "Withdrawn", account=sender, amount=amount)
        return amount


def make_subject(claim: Claim, terms: Terms, bond: int) -> GameSubject:
    return GameSubject(
        worker=claim.worker,
        claim_root=Root(claim.root),
        program_root=Root(terms.program_root),
        genesis_root=Root(terms.genesis_root),
        dataset_root=Root(terms.dataset_root),
        seed=Seed(terms.seed),
        records=terms.records,
        segments=terms.segments,
        segment_length=terms.segment_length,
        reexecution_seconds=Seconds(terms.reexecution_seconds),
        bond=Wei(bond),
    )
