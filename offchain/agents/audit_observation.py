"""What workers and auditors look at besides tasks, claims and games: the lottery's business."""

from dataclasses import dataclass, field, replace

from offchain.agents.views import AgentView, AuditView, ClaimView, DutyView
from offchain.chain.client import Chain
from offchain.chain.lottery import UNSETTLED, AuditStatus, Draw
from offchain.chain.records import Address, Claim, ClaimId, ClaimStatus

OVERLAP_BLOCKS = 128  # read again: a reorganisation may have brought other events


@dataclass
class Auditors:
    """Everybody who ever joined the lottery; only new blocks are searched."""

    chain: Chain
    _known: set[Address] = field(default_factory=set)
    _block: int = 0

    def get_others(self) -> list[Address]:
        """All but the agent itself, who have stake now."""
        chain = self.chain
        first = max(chain.access.first_block, self._block - OVERLAP_BLOCKS)
        self._known |= chain.lottery.get_auditors(first)
        self._block = chain.access.block
        others = sorted(self._known - {chain.access.address})
        return [auditor for auditor in others if chain.lottery.get_stake(auditor) > 0]


@dataclass
class WorkerLookout:
    """What is asked of a worker about its own claims."""

    chain: Chain
    _starts: dict[tuple[ClaimId, bytes], tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._auditors = Auditors(self.chain)

    def is_left_over(self, claim: Claim) -> bool:
        """A settled claim asks nothing more of its worker."""
        return False

    def look(self, view: AgentView) -> AgentView:
        """Auditors are counted where a task needs their attestations."""
        if not any(item.offer.attestations for item in view.tasks):
            return view
        return replace(view, auditors=len(self._auditors.get_others()))

    def complete(self, item: ClaimView) -> ClaimView:
        """The worker's own claims with what they ask of it."""
        chain, claim = self.chain, item.claim
        if claim.worker != chain.access.address or claim.status is not ClaimStatus.PENDING:
            return item
        draw = chain.lottery.get_draw(claim.id)
        asked = item.offer.attestations > 0
        question = chain.availability.get_question(claim.id) if asked else None
        now = chain.access.time
        starts: tuple[int, ...] = ()
        unopened: tuple[int, ...] = ()
        if draw.is_drawn and now <= draw.commit_deadline:
            starts = self._get_starts(claim.id, draw)
        elif draw.commitments and now <= draw.open_deadline:
            committed = sorted(set(chain.lottery.get_commitments(claim.id).values()))
            unopened = tuple(s for s in committed if chain.lottery.get_leaf(claim.id, s) is None)
        return replace(item, duty=DutyView(draw, starts, unopened, question))

    def _get_starts(self, claim_id: ClaimId, draw: Draw) -> tuple[int, ...]:
        # A draw never changes, nor whom it meets: stake that comes later does not count.
        if (claim_id, draw.seed) not in self._starts:
            lottery = self.chain.lottery
            drawn = [a for a in self._auditors.get_others() if lottery.is_drawn(claim_id, a)]
            found = {lottery.get_stretch(claim_id, auditor).first for auditor in drawn}
            self._starts[claim_id, draw.seed] = tuple(sorted(found))
        return self._starts[claim_id, draw.seed]


@dataclass
class AuditorLookout:
    """What an auditor has to know about others' claims."""

    chain: Chain

    def is_left_over(self, claim: Claim) -> bool:
        """A settled claim is of concern as long as the audit of it is not."""
        own = self.chain.lottery.get_audit(claim.id, self.chain.access.address)
        return own.status in UNSETTLED

    def look(self, view: AgentView) -> AgentView:
        """What the auditor itself has at stake."""
        lottery, me = self.chain.lottery, view.address
        return replace(view, audit_stake=lottery.get_stake(me), unsettled=lottery.get_unsettled(me))

    def complete(self, item: ClaimView) -> ClaimView:
        """Claims with the auditor's own part in them."""
        chain, claim, me = self.chain, item.claim, self.chain.access.address
        if item.offer.audit_budget == 0 and item.offer.attestations == 0:
            return item
        lottery = chain.lottery
        draw, own = lottery.get_draw(claim.id), lottery.get_audit(claim.id, me)
        view = AuditView(draw, audit=own)
        if claim.status is ClaimStatus.PENDING:
            if not draw.is_drawn:
                view = replace(
                    view,
                    seed_known=chain.beacon.is_known(claim.id),
                    seed_fixable=chain.beacon.is_fixable(claim.id),
                )
            elif lottery.is_drawn(claim.id, me):
                view = replace(view, drawn=True, stretch=lottery.get_stretch(claim.id, me))
            if own.status is AuditStatus.COMMITTED:
                view = replace(view, leaf=lottery.get_leaf(claim.id, own.segment))
            if item.offer.attestations and chain.availability.may_attest(claim.id, me):
                question = chain.availability.get_question(claim.id)
                view = replace(view, attest_until=question.deadline)
        return replace(item, audit=view)
