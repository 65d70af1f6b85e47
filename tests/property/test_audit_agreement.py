"""Random play, legal and illegal, on the lottery and Availability and on their pure machines.

`Audits` makes every call on both and fails unless they are in the same state afterwards, or both
refuse for the same reason. Here is chosen what is called; counters say that everything was met.
"""

import random
from collections import Counter

import boa

from protocol import audit, audit_refusals
from protocol.audit import AuditStatus
from protocol.merkle import ZERO_VALUE
from tests import economy as eco
from tests.audits import FALSE_ROOT, PRESET, Audits, deploy_audits, make_account

SESSIONS = 10
CALLS = 160

# What makes sense in each phase of a claim, about as often as it stands here; anything else is
# called now and then.
PHASES = {
    "undrawn": "draw fix_and_draw fix_and_draw fix_and_draw fix_and_draw attest join".split(),
    "lost": "attest attest serve_again serve_again serve_again void pass_time claim decide".split(),
    "commit": "commit commit commit commit commit attest attest attest pass_time".split(),
    "open": "open_leaf open_leaf open_leaf reveal reveal attest pass_time".split(),
    "reveal": "reveal reveal declare_default declare_default settle attest pass_time".split(),
    "over": "settle settle decide decide void attest serve_again play pass_time".split(),
    "decided": "settle settle settle claim claim reveal leave".split(),
}
ANY = sorted({name for names in PHASES.values() for name in names} - {"claim", "fix_and_draw"})
GUIDED = 0.75

# One needs more stake than there are tokens, unit tests make the other.
UNREACHED = {"lottery: stake out of range", "lottery: all audits taken"}


class Session:
    """One deployment and random calls by everybody."""

    def __init__(self, rng: random.Random, audits: Audits):
        self.rng, self.audits = rng, audits
        self.tasks: list[int] = []
        self.claims: list[int] = []
        self.said: dict[tuple[int, str], bytes] = {}
        self.worker = make_account("auditing worker")
        audits.economy.register(self.worker)
        # A claim without any auditor.
        self.claim()
        self.fix_and_draw()
        # Few of them, so that most are drawn.
        stakes = [rng.choice([1, 2, 5, 20]) * eco.PENALTY for _ in range(4)]
        self.auditors = [audits.hire(f"auditor {i}", stake) for i, stake in enumerate(stakes)]
        # A worker that audits, and somebody without a role.
        audits.economy.stake(self.worker, 10 * eco.PENALTY)
        assert audits.join(self.worker, 5 * eco.PENALTY) == ""
        self.actors = [*self.auditors, self.worker, make_account("stranger")]
        audits.warm_up()
        self.claim()

    def is_pending(self, claim_id: int) -> bool:
        status = self.audits.economy.escrow.claim_of(claim_id).status
        return bool(status == eco.CLAIM_PENDING)

    def choose(self) -> int:
        """Mostly one of the latest claims."""
        return self.rng.choice(self.claims[-1:] if self.rng.random() < 0.9 else self.claims)

    def choose_actor(self, claim_id: int, likely: list[str]) -> str:
        return self.rng.choice(likely if likely and self.rng.random() < 0.9 else self.actors)

    def get_phase(self, claim_id: int) -> str:
        draw, now = self.audits.lottery.get_draw(claim_id), boa.env.timestamp
        if not self.is_pending(claim_id):
            return "decided"
        if draw.seed == ZERO_VALUE:
            return "lost" if now > draw.claimed_at + PRESET.draw_seconds else "undrawn"
        if now <= draw.commit_deadline:
            return "commit"
        if now <= draw.open_deadline:
            return "open"
        return "reveal" if now <= draw.reveal_deadline else "over"

    def attempt(self) -> None:
        names = PHASES[self.get_phase(self.claims[-1])]
        name = self.rng.choice(names if self.rng.random() < GUIDED else ANY)
        getattr(self, name)()
        self.check()

    # Ways that random play seldom goes to the end.

    def walk_rounds(self) -> None:
        """Rounds without an attestation, and a game."""
        audits, economy = self.audits, self.audits.economy
        task_id = economy.post(attestations=1, expiry=2**60)
        claim_id = audits.claim(task_id, worker=make_account("silent worker"))
        self.tasks.append(task_id)
        self.claims.append(claim_id)
        economy.hook("process_game_opened", claim_id)
        for _ in range(eco.MAX_ROUNDS):
            boa.env.timestamp = economy.availability.question_of(claim_id).deadline + 1
            audits.serve_again(claim_id, self.actors[-1])
            audits.serve_again(claim_id)
        boa.env.timestamp = max(
            boa.env.timestamp, economy.escrow.claim_of(claim_id).challenge_deadline + 1
        )
        audits.void(claim_id)

    def walk_late(self) -> None:
        """Attestations that do not suffice, and a reveal after the deadline."""
        audits = self.audits
        claim_id = audits.drawn(attestations=16, expiry=2**60)
        self.tasks.append(audits.view(claim_id).task_id)
        self.claims.append(claim_id)
        for auditor in self.auditors:
            truth = audits.answer(claim_id, auditor)
            if audits.commit(claim_id, auditor, truth) == "":
                self.said[claim_id, auditor] = truth
            for _ in range(2):
                audits.attest(claim_id, auditor)
        audits.pass_deadline(claim_id, "commit_deadline")
        for auditor in self.get_committed(claim_id):
            audits.open_leaf(claim_id, audits.segment_of(claim_id, auditor))
        audits.pass_deadline(claim_id, "reveal_deadline")
        for auditor in self.get_committed(claim_id):
            audits.reveal(claim_id, auditor, self.said[claim_id, auditor])

    # Stake.

    def join(self) -> None:
        actor = self.rng.choice(self.actors)
        amount = self.rng.choice([1, eco.PENALTY, 3 * eco.PENALTY])
        if actor != self.actors[-1] and self.rng.random() < 0.6:
            self.audits.economy.stake(actor, amount)
        self.audits.join(actor, amount)

    def leave(self) -> None:
        actor = self.rng.choice(self.actors)
        payout = self.audits.economy.registry.payout_of(actor)
        self.audits.leave(actor, self.rng.choice([actor, payout, self.actors[-1]]))

    # Claims.

    def claim(self) -> None:
        rng, economy = self.rng, self.audits.economy
        posted = [i for i in self.tasks if economy.escrow.task_of(i).status == eco.POSTED]
        if posted and rng.random() < 0.6:
            task_id = rng.choice(posted)
        else:
            terms = eco.Terms(segments=rng.choice([2, 3, 3, 5, 5, 6, 9]))
            offer = {"attestations": rng.choice([0, 1, 2, 2]), "expiry": 2**60}
            budget = rng.choice([0, 3, 500, 803, 803, 803, 5_000, 10_000])
            task_id = economy.post(terms, audit_budget=budget, **offer)
            self.tasks.append(task_id)
        had = economy.escrow.had_lease(task_id, self.worker)
        worker = (
            self.worker
            if rng.random() < 0.3 and not had
            else make_account(f"worker {len(self.claims)}")
        )
        claim_id = self.audits.claim(task_id, worker=worker)
        self.claims.append(claim_id)
        if economy.beacon.target_of(claim_id) and rng.random() < 0.9:
            self.audits.fix(claim_id)

    def fix_and_draw(self) -> None:
        claim_id, beacon = self.claims[-1], self.audits.economy.beacon
        if beacon.target_of(claim_id) and beacon.seed_of(claim_id) == ZERO_VALUE:
            self.audits.fix(claim_id)
        self.draw(claim_id)

    def draw(self, claim_id: int = 0) -> None:
        self.audits.draw(claim_id or self.choose())

    def decide(self) -> None:
        """Another game, or the end of the window, decides the claim."""
        claim_id, economy = self.choose(), self.audits.economy
        claim = economy.escrow.claim_of(claim_id)
        if claim.status != eco.CLAIM_PENDING:
            return
        if self.rng.random() < 0.25:
            if boa.env.timestamp <= claim.challenge_deadline:
                self.audits.slash(claim_id)
                self.audits.met["slashed"] += 1
        elif claim.open_games == 0:
            asked = economy.escrow.offer_of(claim.task_id).attestations
            if asked and not economy.availability.is_settled(claim_id):
                return
            if self.rng.random() < 0.3 or boa.env.timestamp > claim.challenge_deadline:
                boa.env.timestamp = max(boa.env.timestamp, claim.challenge_deadline + 1)
                economy.escrow.finalise(claim_id)
                self.audits.met["finalised"] += 1

    def play(self) -> None:
        """A game that stays open, or ends for the worker."""
        claim_id, economy = self.choose(), self.audits.economy
        claim = economy.escrow.claim_of(claim_id)
        if claim.status != eco.CLAIM_PENDING:
            return
        if claim.open_games:
            economy.hook("process_game_lost", claim_id)
        elif boa.env.timestamp <= claim.challenge_deadline:
            economy.hook("process_game_opened", claim_id)

    # Audits.

    def commit(self) -> None:
        claim_id = self.choose()
        drawn = [a for a in self.actors if audit.is_drawn(self.audits.lottery, claim_id, a, 0)]
        actor = self.choose_actor(claim_id, drawn)
        truth = FALSE_ROOT
        if actor in drawn and self.rng.random() < 0.7:
            truth = self.audits.answer(claim_id, actor)
        meant = FALSE_ROOT if self.rng.random() < 0.1 else None
        if self.audits.commit(claim_id, actor, truth, claim_root=meant) == "":
            self.said[claim_id, actor] = truth

    def get_committed(self, claim_id: int) -> list[str]:
        return [actor for claim, actor in self.said if claim == claim_id]

    def choose_segment(self, claim_id: int) -> int:
        asked = [
            self.audits.lottery.get_audit(claim_id, actor).segment
            for actor in self.get_committed(claim_id)
        ]
        return self.rng.choice(asked if asked and self.rng.random() < 0.9 else [0, 1, 3, 99])

    def open_leaf(self) -> None:
        claim_id = self.choose()
        segment = self.choose_segment(claim_id)
        root = self.rng.choice([None, None, None, None, FALSE_ROOT, ZERO_VALUE])
        self.audits.open_leaf(claim_id, segment, root)

    def reveal(self) -> None:
        claim_id = self.choose()
        if self.said and self.rng.random() < 0.7:
            claim_id = self.rng.choice(list(self.said)[-4:])[0]
        actor = self.choose_actor(claim_id, self.get_committed(claim_id))
        said = self.said.get((claim_id, actor), FALSE_ROOT)
        other = self.rng.random() < 0.25
        self.audits.reveal(claim_id, actor, eco.compute_hash("other") if other else said)

    def declare_default(self) -> None:
        claim_id = self.choose()
        self.audits.declare_default(claim_id, self.choose_segment(claim_id))

    def settle(self) -> None:
        claim_id, actor = self.choose(), self.rng.choice(self.actors)
        if self.said and self.rng.random() < 0.9:
            claim_id, actor = self.rng.choice(list(self.said))
        self.audits.settle(claim_id, actor)

    # Attestations.

    def attest(self) -> None:
        claim_id, submitter = self.choose(), self.audits.economy.submitter
        actor = self.rng.choice([*self.actors, *self.auditors, submitter])
        attested = sorted(self.audits.question(claim_id).attested)
        if attested and self.rng.random() < 0.2:
            actor = self.rng.choice(attested)
        root = FALSE_ROOT if self.rng.random() < 0.1 else None
        self.audits.attest(claim_id, actor, root)

    def serve_again(self) -> None:
        claim_id = self.choose()
        caller = self.actors[-1] if self.rng.random() < 0.1 else None
        self.audits.serve_again(claim_id, caller)

    def void(self) -> None:
        self.audits.void(self.choose())

    def pass_time(self) -> None:
        """To a deadline or its next second, or a little."""
        claim_id, rng, economy = self.choose(), self.rng, self.audits.economy
        draw = self.audits.lottery.get_draw(claim_id)
        claim = economy.escrow.claim_of(claim_id)
        moments = [
            draw.commit_deadline,
            draw.commit_deadline,
            draw.open_deadline,
            draw.reveal_deadline,
            draw.claimed_at + PRESET.draw_seconds,
            economy.availability.question_of(claim_id).deadline,
            economy.availability.question_of(claim_id).deadline + eco.ROUND_SECONDS,
            claim.challenge_deadline,
        ]
        ahead = sorted(t + late for t in moments for late in (0, 1) if t + late > boa.env.timestamp)
        # Mostly the next one, so that nothing is passed over.
        moment = ahead[0] if ahead and rng.random() < 0.8 else rng.choice(ahead or [0])
        boa.env.timestamp = max(boa.env.timestamp + rng.choice([0, 1, 20]), moment)

    # What must hold after every call.

    def check(self) -> None:
        lottery, claims = self.audits.lottery, self.audits.economy.escrow.claim_of
        assert lottery.total_stake == sum(a.stake for a in lottery.auditors.values())
        unsettled: Counter[str] = Counter()
        reserved: Counter[int] = Counter()
        for (claim_id, auditor), found in lottery.audits.items():
            if found.status in (AuditStatus.COMMITTED, AuditStatus.MISMATCHED):
                unsettled[auditor] += 1
                reserved[claims(claim_id).task_id] += lottery.get_draw(claim_id).fee
        for auditor, account in lottery.auditors.items():
            assert account.unsettled == unsettled[auditor]
            assert account.stake >= PRESET.penalty * unsettled[auditor]  # L4
        for task_id, amount in lottery.reserved.items():
            assert amount == reserved[task_id]  # L3

    def finish(self) -> None:
        """L5: whatever was played, every audit ends, and all stake comes free."""
        audits = self.audits
        for claim_id in self.claims:
            claim = audits.economy.escrow.claim_of(claim_id)
            if claim.status == eco.CLAIM_PENDING:
                for _ in range(claim.open_games):
                    audits.economy.hook("process_game_lost", claim_id)
                asked = audits.economy.escrow.offer_of(claim.task_id).attestations
                if asked and not audits.economy.availability.is_settled(claim_id):
                    assert audits.attest(claim_id, audits.economy.submitter) == ""
                boa.env.timestamp = max(boa.env.timestamp, claim.challenge_deadline + 1)
                audits.economy.escrow.finalise(claim_id)
        for claim_id, auditor in self.said:
            if audits.settle(claim_id, auditor):
                assert audits.lottery.get_audit(claim_id, auditor).status >= AuditStatus.PAID
        audits.warm_up()
        for actor in self.actors:
            audits.check_auditor(actor)
            if audits.lottery.get_auditor(actor).stake:
                assert audits.join(actor, 0) == "vault: zero amount"
                assert audits.leave(actor) == ""
                assert audits.join(actor, 1) == "lottery: stake below penalty"
        assert audits.economy.lottery.total_stake() == 0
        for claim_id in self.claims:
            audits.check_claim(claim_id)
        for task_id in self.tasks:
            assert audits.economy.lottery.reserved_of(task_id) == 0


def test_play__random_calls__machines_agree() -> None:
    met: Counter[str] = Counter()
    with boa.env.anchor():
        economy = deploy_audits().economy
        for seed in range(SESSIONS):
            with boa.env.anchor():
                session = Session(random.Random(seed), Audits(economy))
                if seed % 4 == 0:
                    session.walk_rounds()
                    session.walk_late()
                for _ in range(CALLS):
                    session.attempt()
                session.finish()
                met += session.audits.met
    names = "join leave draw commit open_leaf reveal declare_default settle attest serve_again void"
    wanted = [*names.split(), "attest paid", "slashed", "finalised"]
    wanted += [f"reveal {status}" for status in ("PAID", "MISMATCHED")]
    wanted += [f"settle {status}" for status in ("PAID", "RELEASED", "PUNISHED")]
    wanted += [kind.reason for kind in audit_refusals.AuditError.__subclasses__()]
    missed = {name for name in wanted if not met[name]} - UNREACHED
    assert not missed, (sorted(missed), met)
