"""The lottery's and Availability's two machines side by side: every call is made on both.

The contracts are real ones, in titanoboa, with a test account in the game's place. After each call
both machines must be in the same state, or both have refused for the same reason.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import boa
from eth_utils import to_checksum_address

from protocol import audit, availability, sortition
from protocol.audit import AuditStatus, ClaimStatus
from protocol.audit_refusals import AuditError
from protocol.merkle import ZERO_VALUE, Tree, compute_vector_tree
from protocol.types import Root, SegmentIndex
from tests import economy as eco
from tests.economy import Economy, Terms, compute_claim_tree, compute_hash, deploy_economy

PRESET = audit.Preset(
    eco.AUDITS,
    eco.PENALTY,
    eco.WARMUP_SECONDS,
    eco.DRAW_SECONDS,
    eco.COMMIT_SECONDS,
    eco.OPEN_SECONDS,
    eco.REVEAL_SECONDS,
)
ROUNDS = availability.Preset(eco.ROUND_SECONDS, eco.MAX_ROUNDS)
BUDGET = 803  # a fee of 200 without attestations, and a rest
SALT = b"\x05" * 32
FALSE_ROOT = Root(compute_hash("false"))


def compute_block_hash(number: int) -> bytes:
    """Of made-up blocks."""
    return compute_hash(f"block {number}")


def mine(blocks: int) -> None:
    """Go on by so many blocks, in the same second."""
    patch = boa.env.evm.patch
    patch.block_number += blocks
    patch.prev_hashes = [compute_block_hash(patch.block_number - i) for i in range(1, 257)]


def make_account(name: str) -> str:
    """The same in every run, because tickets depend on it."""
    return str(to_checksum_address(compute_hash(name)[:20]))


@dataclass
class Audits:
    """A deployment with auditors, and both machines."""

    economy: Economy
    lottery: audit.Lottery = field(default_factory=lambda: audit.Lottery(PRESET))
    questions: dict[int, availability.Question] = field(default_factory=dict)
    trees: dict[int, Tree] = field(default_factory=dict)
    met: Counter[str] = field(default_factory=Counter)
    logs: list[Any] = field(default_factory=list)  # of the last call that was accepted

    # Actors and claims.

    def hire(self, name: str = "auditor", stake: int = 10 * eco.PENALTY) -> str:
        """A new auditor whose stake counts after the warm-up."""
        account = make_account(name)
        self.economy.register(account, eco.AUDITOR)
        self.economy.stake(account, stake)
        assert self.join(account, stake) == ""
        return account

    def warm_up(self) -> None:
        boa.env.time_travel(seconds=eco.WARMUP_SECONDS)

    def claim(self, task_id: int, tree: Tree | None = None, worker: str | None = None) -> int:
        """Assign and claim a task that is posted."""
        economy = self.economy
        economy.assign(task_id, worker)
        tree = tree or compute_claim_tree(economy.escrow.terms_of(task_id).segments)
        # The machine is told by the same condition by which the escrow tells the contract.
        asked = economy.escrow.offer_of(task_id).attestations
        is_told = economy.escrow.task_of(task_id).audit_budget != 0 or asked != 0
        claim_id = economy.claim_tree(task_id, tree, worker)
        self.trees[claim_id] = tree
        if is_told:
            self.lottery = audit.process_claimed(self.lottery, claim_id, boa.env.timestamp)
        self.check_claim(claim_id)
        return int(claim_id)

    def claimed(self, segments: int = 5, audit_budget: int = BUDGET, **changes: int) -> int:
        terms = Terms(segments=segments)
        return self.claim(self.economy.post(terms, audit_budget=audit_budget, **changes))

    def drawn(self, **changes: int) -> int:
        """A claim that was drawn."""
        claim_id = self.claimed(**changes)
        self.fix(claim_id)
        assert self.draw(claim_id) == ""
        return claim_id

    def fix(self, claim_id: int) -> None:
        """Let the beacon have its seed, in the claim's second."""
        mine(eco.DELAY_BLOCKS + 1)
        self.economy.beacon.fix(claim_id)

    def is_drawn(self, claim_id: int, auditor: str) -> bool:
        return bool(self.economy.lottery.is_drawn(claim_id, auditor, 0))

    def segment_of(self, claim_id: int, auditor: str) -> int:
        """The leaf that the auditor is asked for."""
        return int(self.economy.lottery.stretch_of(claim_id, auditor)[1])

    def leaf(self, claim_id: int, segment: int) -> Root:
        return self.trees[claim_id].get_node(0, segment)

    def answer(self, claim_id: int, auditor: str) -> Root:
        """What an auditor finds that agrees with the worker."""
        return self.leaf(claim_id, self.segment_of(claim_id, auditor))

    def pass_deadline(self, claim_id: int, name: str) -> None:
        """Go to the first second after one of the draw's deadlines."""
        boa.env.timestamp = getattr(self.lottery.get_draw(claim_id), name) + 1

    def committed(self, auditor: str, false: bool = False, **changes: int) -> int:
        """A drawn claim that the auditor has committed to."""
        claim_id = self.drawn(**changes)
        root = FALSE_ROOT if false else self.answer(claim_id, auditor)
        assert self.commit(claim_id, auditor, root) == ""
        return claim_id

    def opened(self, auditor: str, false: bool = False, **changes: int) -> int:
        """A claim with an audit whose leaf is open."""
        claim_id = self.committed(auditor, false, **changes)
        self.pass_deadline(claim_id, "commit_deadline")
        assert self.open_leaf(claim_id, self.segment_of(claim_id, auditor)) == ""
        return claim_id

    # What the escrow says.

    def view(self, claim_id: int) -> audit.Claim:
        escrow = self.economy.escrow
        claim = escrow.claim_of(claim_id)
        terms = escrow.terms_of(claim.task_id)
        return audit.Claim(
            claim_id,
            claim.task_id,
            claim.worker,
            claim.root,
            ClaimStatus(claim.status),
            terms.segments,
            terms.reexecution_seconds,
            escrow.offer_of(claim.task_id).attestations,
            escrow.task_of(claim.task_id).audit_budget,
        )

    def view_question(self, claim_id: int) -> availability.Claim:
        escrow = self.economy.escrow
        claim = escrow.claim_of(claim_id)
        return availability.Claim(
            claim_id,
            claim.worker,
            escrow.task_of(claim.task_id).submitter,
            claim.final_state_root,
            ClaimStatus(claim.status),
            claim.claimed_at,
            claim.challenge_deadline,
            claim.open_games,
            escrow.offer_of(claim.task_id).attestations,
        )

    def question(self, claim_id: int) -> availability.Question:
        return self.questions.get(claim_id, availability.Question())

    # Calls of the lottery; each gives the reason of the refusal, or nothing.

    def join(self, auditor: str, amount: int) -> str:
        economy = self.economy
        is_auditor, free = economy.registry.is_auditor(auditor), economy.vault.free_of(auditor)
        return self._change(
            "join",
            lambda now: audit.process_join(self.lottery, auditor, amount, is_auditor, free, now),
            lambda: economy.lottery.join(amount, sender=auditor),
            auditor=auditor,
        )

    def leave(self, auditor: str, caller: str = "") -> str:
        payout, sender = self.economy.registry.payout_of(auditor), caller or auditor
        return self._change(
            "leave",
            lambda now: audit.process_leave(self.lottery, sender, auditor, payout, now),
            lambda: self.economy.lottery.leave(auditor, sender=sender),
            auditor=auditor,
        )

    def draw(self, claim_id: int) -> str:
        claim, seed = self.view(claim_id), self.economy.beacon.seed_of(claim_id)
        return self._change(
            "draw",
            lambda now: audit.process_draw(self.lottery, claim, seed, now),
            lambda: self.economy.lottery.draw(claim_id),
            claim_id,
        )

    def commit(
        self,
        claim_id: int,
        auditor: str,
        root: bytes,
        salt: bytes = SALT,
        of: str = "",
        claim_root: bytes | None = None,
    ) -> str:
        """`of`: whose address is inside, where that is another's."""
        claim, registry = self.view(claim_id), self.economy.registry
        meant = Root(claim_root or claim.root)
        commitment = sortition.compute_commitment(Root(root), of or auditor, salt)
        return self._change(
            "commit",
            lambda now: audit.process_commit(
                self.lottery, claim, auditor, meant, commitment, registry.is_auditor(auditor), now
            ),
            lambda: self.economy.lottery.commit(claim_id, meant, commitment, sender=auditor),
            claim_id,
            auditor,
        )

    def open_leaf(
        self,
        claim_id: int,
        segment: int,
        root: bytes | None = None,
        path: list[Root] | None = None,
    ) -> str:
        tree, claim = self.trees[claim_id], self.view(claim_id)
        known = segment < 2**tree.height
        leaf = Root(root) if root else tree.get_node(0, segment) if known else FALSE_ROOT
        siblings = path if path is not None else tree.get_path(segment) if known else []
        args = (segment, leaf, siblings)
        return self._change(
            "open_leaf",
            lambda now: audit.process_open_leaf(self.lottery, claim, *args, now),
            lambda: self.economy.lottery.open_leaf(claim_id, *args),
            claim_id,
        )

    def reveal(self, claim_id: int, auditor: str, root: bytes, salt: bytes = SALT) -> str:
        claim, answer = self.view(claim_id), Root(root)
        return self._change(
            "reveal",
            lambda now: audit.process_reveal(self.lottery, claim, auditor, answer, salt, now),
            lambda: self.economy.lottery.reveal(claim_id, answer, salt, sender=auditor),
            claim_id,
            auditor,
        )

    def declare_default(self, claim_id: int, segment: int) -> str:
        self.economy.ensure_game()
        claim = self.view(claim_id)
        return self._change(
            "declare_default",
            lambda now: audit.process_declare_default(self.lottery, claim, segment, now),
            lambda: self.economy.lottery.declare_default(claim_id, segment),
            claim_id,
        )

    def settle(self, claim_id: int, auditor: str) -> str:
        claim = self.view(claim_id)
        return self._change(
            "settle",
            lambda now: audit.process_settle(self.lottery, claim, auditor, now),
            lambda: self.economy.lottery.settle(claim_id, auditor),
            claim_id,
            auditor,
        )

    # Calls of Availability.

    def attest(self, claim_id: int, account: str, root: bytes | None = None) -> str:
        economy, claim = self.economy, self.view_question(claim_id)
        before = self.question(claim_id)
        answer = Root(root or claim.final_state_root)
        expected = availability.may_attest(
            ROUNDS, self.lottery, claim, before, account, boa.env.timestamp
        )
        assert economy.availability.may_attest(claim_id, account) == expected
        owed, budget = economy.owed_to(account), self.view(claim_id).audit_budget
        reason = self._ask(
            "attest",
            claim_id,
            lambda now: availability.process_attest(
                ROUNDS, self.lottery, claim, before, account, answer, now
            ),
            lambda: economy.availability.attest(claim_id, answer, sender=account),
        )
        fee = availability.compute_fee(self.lottery, claim, before, account, budget)
        assert economy.owed_to(account) - owed == (0 if reason else fee)
        self.met["attest paid"] += not reason and fee != 0
        return reason

    def serve_again(self, claim_id: int, caller: str | None = None) -> str:
        claim, before = self.view_question(claim_id), self.question(claim_id)
        account = caller or claim.worker
        return self._ask(
            "serve_again",
            claim_id,
            lambda now: availability.process_serve_again(ROUNDS, claim, before, account, now),
            lambda: self.economy.availability.serve_again(claim_id, sender=account),
        )

    def void(self, claim_id: int) -> str:
        claim, before = self.view_question(claim_id), self.question(claim_id)
        return self._ask(
            "void",
            claim_id,
            lambda now: availability.process_void(ROUNDS, claim, before, now),
            lambda: self.economy.availability.void(claim_id),
        )

    # Both machines.

    def _change(
        self, name: str, compute: Any, call: Any, claim_id: int = 0, auditor: str = ""
    ) -> str:
        before = self.lottery
        claim = self.view(claim_id) if claim_id else None
        owed = self.economy.owed_to(auditor) if auditor else 0
        reason, after = self._make(name, compute, call, self.economy.lottery)
        if after is not None:
            self.lottery = after
        if claim is not None and auditor:
            moved = audit.compute_payment(before, self.lottery, claim, auditor)
            status = self.lottery.get_audit(claim_id, auditor).status
            paid = moved if status is AuditStatus.PAID else 0
            assert self.economy.owed_to(auditor) - owed == paid
            if not reason and name in ("reveal", "settle"):
                self.met[f"{name} {status.name}"] += 1
        if claim_id:
            self.check_claim(claim_id)
        if auditor:
            self.check_auditor(auditor, claim_id)
        return reason

    def get_event(self, name: str) -> dict[str, Any]:
        """The fields of the only event of that name in the last call."""
        found = [log for log in self.logs if type(log).__name__ == name]
        assert len(found) == 1, f"{name}: {len(found)} in {self.logs}"
        fields: dict[str, Any] = found[0]._asdict()
        return fields

    def _ask(self, name: str, claim_id: int, compute: Any, call: Any) -> str:
        reason, after = self._make(name, compute, call, self.economy.availability)
        if after is not None:
            self.questions[claim_id] = after
        question, seen = self.question(claim_id), self.economy.availability.question_of(claim_id)
        claim = self.view_question(claim_id)
        assert seen.deadline == availability.compute_deadline(ROUNDS, claim, question)
        for item in ("round", "attestations", "stake", "settled"):
            assert getattr(seen, item) == getattr(question, item), item
        assert self.economy.availability.is_settled(claim_id) == question.settled
        return reason

    def _make(self, name: str, compute: Any, call: Any, contract: Any) -> tuple[str, Any]:
        try:
            after = compute(boa.env.timestamp)
        except AuditError as error:
            with boa.reverts(error.reason):
                call()
            self.met[error.reason] += 1
            return error.reason, None
        call()
        self.logs = contract.get_logs()
        self.met[name] += 1
        return "", after

    def check_claim(self, claim_id: int) -> None:
        """Both lotteries say the same of a claim."""
        contract, lottery = self.economy.lottery, self.lottery
        draw, seen = lottery.get_draw(claim_id), contract.draw_of(claim_id)
        assert {name: getattr(seen, name) for name in vars(draw)} == vars(draw)
        for segment in range(self.trees[claim_id].count):
            assert contract.leaf_of(claim_id, segment) == lottery.get_leaf(claim_id, segment)
        task_id = self.economy.escrow.claim_of(claim_id).task_id
        reserved = contract.reserved_of(task_id)
        assert reserved == lottery.get_reserved(task_id)
        # L3: what is reserved is there.
        task = self.economy.escrow.task_of(task_id)
        assert task.status == eco.FINALISED or reserved <= task.audit_budget
        assert contract.total_stake() == lottery.total_stake

    def check_auditor(self, auditor: str, claim_id: int = 0) -> None:
        """Both lotteries say the same of an auditor, and of its audit of a claim."""
        contract, vault = self.economy.lottery, self.economy.vault
        account = self.lottery.get_auditor(auditor)
        assert contract.stake_of(auditor) == account.stake
        assert contract.active_from(auditor) == account.active_from
        assert contract.unsettled_of(auditor) == account.unsettled
        # L4: what is staked is locked, and every open audit has its penalty in it.
        assert vault.lock_of(contract, int(auditor, 16)).amount == account.stake
        assert account.stake >= account.unsettled * self.lottery.preset.penalty
        if claim_id == 0:
            return
        found = self.lottery.get_audit(claim_id, auditor)
        expected = (found.status, found.segment, found.commitment)
        assert tuple(contract.audit_of(claim_id, auditor)) == expected
        for widening in (0, 1, 255):
            drawn = audit.is_drawn(self.lottery, claim_id, auditor, widening)
            assert contract.is_drawn(claim_id, auditor, widening) == drawn
        if self.lottery.get_draw(claim_id).seed != ZERO_VALUE:
            stretch = audit.compute_stretch(self.lottery, claim_id, auditor)
            ends = sortition.compute_first(stretch), sortition.compute_last(stretch)
            assert tuple(contract.stretch_of(claim_id, auditor)) == ends

    # The rest of a claim's life.

    def slash(self, claim_id: int) -> None:
        """A challenger wins a game."""
        self.economy.hook("process_game_opened", claim_id)
        self.economy.hook("process_worker_lost", claim_id, self.economy.challenger)

    def finalise(self, claim_id: int) -> None:
        self.economy.pass_window(claim_id)
        self.economy.escrow.finalise(claim_id)

    def status_of(self, claim_id: int, auditor: str) -> AuditStatus:
        return AuditStatus(self.economy.lottery.audit_of(claim_id, auditor).status)


def deploy_audits() -> Audits:
    audits = Audits(deploy_economy())
    assert audits.lottery.preset == PRESET
    return audits


def make_other_tree(segments: int, changed: SegmentIndex) -> Tree:
    """The default claim with another leaf in one place."""
    leaves = [compute_claim_tree(segments).get_node(0, i) for i in range(segments)]
    leaves[changed] = FALSE_ROOT
    return compute_vector_tree(leaves)
