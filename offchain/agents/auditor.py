"""The auditor: executes the stretches that it is drawn for, commits, reveals, is paid.

Nothing has to be remembered: the salt of a commitment follows from the account's key and the
claim, and what was committed to can be executed again.
"""

import logging
from hashlib import sha256

from offchain.agents import auditor_policy
from offchain.agents.audit_observation import AuditorLookout
from offchain.agents.auditor_policy import AuditorPolicy
from offchain.agents.bench import Bench
from offchain.agents.challenger import Challenger
from offchain.agents.intents import (
    Attest,
    Check,
    Commit,
    DeclareDefault,
    DrawAuditors,
    FixSeed,
    Intent,
    Join,
    Reveal,
    Settle,
)
from offchain.agents.views import AgentView, AuditView, ClaimView
from offchain.chain.client import Chain
from offchain.chain.lottery import Stretch
from offchain.chain.records import ClaimId
from offchain.chain.registry import Role
from offchain.runner.training import Progress
from offchain.store.errors import ArtifactMissing
from protocol.execution import State
from protocol.sortition import compute_commitment
from protocol.types import Root, Wei

log = logging.getLogger(__name__)

SALT_TEXT = "Crux: salt of an audit.\nlottery {lottery}\nclaim {claim}\nroot {root}"


class Auditor(Challenger):
    """An honest auditor. Where an audit differs it becomes a challenger."""

    role = "auditor"
    registered_as = Role.AUDITOR

    def __init__(
        self,
        chain: Chain,
        bench: Bench,
        policy: AuditorPolicy | None = None,
        progress: Progress | None = None,
    ):
        super().__init__(chain, bench, progress, AuditorLookout(chain))
        self.policy = policy or AuditorPolicy()
        # With the claim's root: a reorganisation can give an id to another claim.
        self._results: dict[tuple[ClaimId, Root], Root] = {}

    def decide(self, view: AgentView) -> list[Intent]:
        """Games and reveals, money, audits."""
        refused, checked = frozenset(self.refused), self.get_checked(view)
        return auditor_policy.decide(view, self.policy, refused, checked)

    def act(self, intent: Intent) -> bool:
        """Everything that is an auditor's alone."""
        lottery = self.chain.lottery
        match intent:
            case Check():
                return self.check(intent.view)
            case Join():
                self._join(intent.amount)
            case FixSeed():
                self.chain.beacon.fix(intent.view.claim.id)
            case DrawAuditors():
                lottery.draw(intent.view.claim.id)
            case Commit():
                return self._commit(intent.view)
            case Reveal():
                self._reveal(intent.view)
            case DeclareDefault():
                lottery.declare_default(intent.view.claim.id, get_audit(intent.view).audit.segment)
            case Settle():
                lottery.settle(intent.view.claim.id, self.chain.access.address)
            case Attest():
                return self._attest(intent.view)
            case _:
                raise AssertionError(intent)
        return True

    def compute_salt(self, view: ClaimView) -> bytes:
        """The salt of the account's commitment about a claim: nobody else can compute it."""
        text = SALT_TEXT.format(
            lottery=self.chain.lottery.address, claim=view.claim.id, root=view.claim.root.hex()
        )
        return sha256(self.chain.access.sign_text(text)).digest()

    def execute(self, view: ClaimView) -> Root:
        """The state root after the stretch that was drawn.

        Raises `ArtifactMissing` while the worker has not published the state before it.
        """
        key = (view.claim.id, view.claim.root)
        if key not in self._results:
            stretch = get_audit(view).stretch
            assert stretch is not None, "there was no draw"
            start = self._get_start(view, stretch)
            watch = self.build_watch()
            self._results[key] = self.bench.execute_stretch(view.terms, stretch, start, watch)
        return self._results[key]

    def _get_start(self, view: ClaimView, stretch: Stretch) -> State:
        """The state before a stretch, verified against the claim."""
        bundle, store = self.bench.load(view.terms), self.bench.store
        if stretch.first == 0:
            return bundle.genesis
        root, _ = store.get_path(view.claim.root, stretch.first - 1, view.terms.segments)
        return store.get_state(root, bundle.program.slots)

    def _join(self, amount: Wei) -> None:
        self.check_registered()
        chain, me = self.chain, self.chain.access.address
        missing = amount - chain.vault.get_free(me)
        if missing > 0:
            chain.token.check_balance(self.role, me, missing)
            chain.token.ensure_allowance(chain.vault.address, missing)
            chain.vault.deposit(me, missing)
        chain.lottery.join(amount)

    def _commit(self, view: ClaimView) -> bool:
        try:
            found = self.execute(view)
        except ArtifactMissing as error:
            self.tell(f"task {view.task.id}: {error}; waiting for the worker")
            return False
        commitment = compute_commitment(found, self.chain.access.address, self.compute_salt(view))
        self.chain.lottery.commit(view.claim, commitment)
        return True

    def _reveal(self, view: ClaimView) -> None:
        audit, salt = get_audit(view), self.compute_salt(view)
        assert audit.leaf is not None, "nothing to compare with"
        # After a restart the opened leaf tells what was found, where the two are equal.
        same = compute_commitment(audit.leaf, self.chain.access.address, salt)
        found = audit.leaf if same == audit.audit.commitment else self.execute(view)
        self.chain.lottery.reveal(view.claim.id, found, salt)
        if found != audit.leaf:
            place = (view.task.id, view.claim.id, audit.audit.segment)
            log.warning("task %d: claim %d differs after segment %d", *place)

    def _attest(self, view: ClaimView) -> bool:
        program, root = self.bench.load(view.terms).program, view.claim.final_state_root
        try:
            self.bench.store.get_state(root, program.slots)
        except ArtifactMissing as error:
            self.tell(f"task {view.task.id}: claim {view.claim.id}: {error}; not attested")
            return False
        self.chain.availability.attest(view.claim.id, root)
        return True


def get_audit(view: ClaimView) -> AuditView:
    """The lottery's part of a claim that an intent of the auditor's is about."""
    assert view.audit is not None, "seen without the lottery"
    return view.audit
