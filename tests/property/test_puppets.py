"""A worker that refutes itself, with any number of puppets, on the real contracts.

docs/economics.md says what the coalition loses: of every stake at least the burned share, and
what it gets besides can only come from the task's audit budget. The test plays any number of
puppet challengers and puppet auditors in any order, on several claims of one task, and counts
the coalition's tokens before and after, wherever they lie.
"""

from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import boa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import economy as eco
from tests.audits import mine
from tests.economy import Economy, Terms, compute_claim_tree, deploy_economy, deploy_game, open_game

SECONDS = 20  # of each side of a game
TERMS = Terms(segments=9)  # two stretches of each parity
TREE = compute_claim_tree(TERMS.segments)
SALT = bytes(32)
MET: Counter[str] = Counter()


@dataclass
class Coalition:
    """The worker, its puppets, and everything that is theirs."""

    economy: Economy
    game: Any
    challengers: list[str]
    auditors: list[str]
    payouts: list[str] = field(default_factory=list)

    @property
    def worker(self) -> str:
        return self.economy.worker

    @property
    def members(self) -> list[str]:
        return [self.worker, *self.challengers, *self.auditors, *self.payouts]

    def found(self, stake: int, bond: int, rounds: int) -> None:
        """Give everybody what it needs for all rounds; nobody gets anything later."""
        economy = self.economy
        self.payouts = [economy.register(node) for node in [self.worker, *self.auditors]]
        economy.stake(self.worker, rounds * stake)
        for challenger in self.challengers:
            economy.token.mint(challenger, rounds * bond)
        for auditor in self.auditors:
            amount = 2 * rounds * eco.PENALTY
            economy.stake(auditor, amount)
            economy.lottery.join(amount, sender=auditor)
        boa.env.time_travel(seconds=eco.WARMUP_SECONDS)

    def get_wealth(self) -> int:
        """Every token of the coalition. All games are its own, so all bonds are."""
        economy, vault = self.economy, self.economy.vault
        wealth = self.game.total_held()
        for member in self.members:
            wealth += economy.token.balanceOf(member) + economy.splitter.owed_to(member)
            wealth += vault.free_of(member) + vault.locked_of(member) + vault.unbonding_of(member)
        return wealth

    # One claim.

    def commit(self, claim_id: int) -> list[str]:
        """Let the drawn puppets commit to what the worker has claimed."""
        economy, lottery = self.economy, self.economy.lottery
        if not self.auditors or economy.escrow.task_of(1).audit_budget < 2 * eco.AUDITS:
            return []
        mine(eco.DELAY_BLOCKS + 1)
        economy.beacon.fix(claim_id)
        lottery.draw(claim_id)
        drawn = [a for a in self.auditors if lottery.is_drawn(claim_id, a, 0)]
        for auditor in drawn:
            root = TREE.get_node(0, lottery.stretch_of(claim_id, auditor)[1])
            commitment = sha256(root + bytes.fromhex(auditor[2:]) + SALT).digest()
            lottery.commit(claim_id, TREE.root, commitment, sender=auditor)
        return drawn

    def lose(self, game_id: int) -> None:
        """The worker reveals, the puppet is silent: its bond is lost."""
        nodes = [TREE.get_node(0, i) for i in range(2**TREE.height)]
        self.game.reveal(game_id, 0, nodes, sender=self.worker)
        boa.env.time_travel(seconds=SECONDS + 1)
        self.game.timeout(game_id)

    def refute(self, claim_id: int, game_id: int) -> None:
        """The worker is silent: the claim is slashed."""
        boa.env.time_travel(seconds=SECONDS + 1)
        self.game.timeout(game_id)
        assert self.economy.escrow.claim_of(claim_id).status == eco.CLAIM_SLASHED

    def default(self, claim_id: int, drawn: list[str], opens: bool) -> None:
        """The worker leaves at least one leaf closed that a puppet has committed to."""
        lottery = self.economy.lottery
        leaves = {auditor: lottery.stretch_of(claim_id, auditor)[1] for auditor in drawn}
        boa.env.timestamp = lottery.draw_of(claim_id).commit_deadline + 1
        if opens and len(set(leaves.values())) > 1:
            leaf = leaves[drawn[0]]
            root = TREE.get_node(0, leaf)
            lottery.open_leaf(claim_id, leaf, root, TREE.get_path(leaf))
            lottery.reveal(claim_id, root, SALT, sender=drawn[0])
            MET["paid for a match before a default"] += 1
        closed = next(leaf for leaf in leaves.values() if not any(lottery.leaf_of(claim_id, leaf)))
        boa.env.timestamp = lottery.draw_of(claim_id).open_deadline + 1
        lottery.declare_default(claim_id, closed)

    def settle(self, claim_id: int, drawn: list[str]) -> None:
        for auditor in drawn:
            if self.economy.lottery.audit_of(claim_id, auditor).status == 1:
                self.economy.lottery.settle(claim_id, auditor)


@st.composite
def plans(draw: st.DrawFn) -> list[tuple[list[str], bool, bool]]:
    """Per claim: how the puppets' games end, whether the worker defaults, whether it opens."""
    claim = st.tuples(
        st.lists(st.sampled_from(["lose", "stay"]), max_size=4), st.booleans(), st.booleans()
    )
    return draw(st.lists(claim, min_size=1, max_size=3))


@settings(max_examples=20)
@given(
    plan=plans(),
    stake=st.integers(eco.MIN_STAKE, 3_000),
    burned_bps=st.sampled_from([5_000, 5_001, 6_667, 9_999, 10_000]),
    budget=st.sampled_from([0, 3, 50, 997, 10_000]),
    auditors=st.integers(0, 3),
)
@example([([], True, True)] * 3, eco.MIN_STAKE, 5_000, 10_000, 3)  # the rare case, always
def _play(plan, stake, burned_bps, budget, auditors):
    with boa.env.anchor():
        economy = deploy_economy(burned_bps=burned_bps, challenge_seconds=86_400)
        game = deploy_game(economy, worker_seconds=SECONDS, challenger_seconds=SECONDS)
        names = [boa.env.generate_address() for _ in range(5 + auditors)]
        coalition = Coalition(economy, game, names[:5], names[5:])
        coalition.found(stake, eco.BOND, len(plan))
        economy.post(TERMS, stake=stake, audit_budget=budget)
        wealth, supply = coalition.get_wealth(), economy.token.totalSupply()

        awards_to_budget = 0
        lost_bonds = 0
        for games, wants_default, opens in plan:
            economy.escrow.assign(1, economy.digest_of(1), 0, sender=economy.worker)
            claim_id = economy.claim_tree(1, TREE)
            drawn = coalition.commit(claim_id)
            for puppet, end in zip(coalition.challengers, games):
                game_id = open_game(economy, game, claim_id, puppet)
                if end == "lose":
                    coalition.lose(game_id)
                    lost_bonds += 1
            before = economy.escrow.task_of(1).audit_budget
            if wants_default and drawn:
                coalition.default(claim_id, drawn, opens)
                awards_to_budget += stake * (10_000 - burned_bps) // 10_000
                MET["default"] += 1
                assert economy.escrow.task_of(1).audit_budget >= before - budget
            else:
                # The last puppet has played no game of this claim.
                last = open_game(economy, game, claim_id, coalition.challengers[-1])
                coalition.refute(claim_id, last)
                MET["game"] += 1
            coalition.settle(claim_id, drawn)

        economy.escrow.cancel(1, sender=economy.submitter)
        refunded = economy.token.balanceOf(economy.submitter)
        burned = economy.token.balanceOf(eco.BURN_ADDRESS)
        change = coalition.get_wealth() - wealth
        fees = eco.REWARD + budget + awards_to_budget - refunded
        burned_stake = len(plan) * (stake - stake * (10_000 - burned_bps) // 10_000)
        bond_burned = eco.BOND - eco.BOND * 6_000 // 10_000

        # Nothing appears or vanishes: what the coalition lost was burned or is the submitter's.
        assert economy.token.totalSupply() == supply
        assert burned == burned_stake + lost_bonds * bond_burned
        assert change == fees - burned - awards_to_budget
        # The bound: half of every stake is gone, and only the audit budget can give any back.
        assert 2 * burned_stake >= len(plan) * stake
        assert change <= budget - burned_stake
        assert refunded >= eco.REWARD
        if budget == 0 or not coalition.auditors:
            assert fees == 0 and 2 * change <= -len(plan) * stake
        MET["fees"] += fees > 0
        MET["lost bonds"] += lost_bonds > 0
        MET["several claims"] += len(plan) > 1
        MET["odd stake"] += stake % 2


def test_puppets__any_number_and_order__lose_at_least_half_of_every_stake():
    MET.clear()
    _play()
    expected = ["default", "game", "fees", "lost bonds", "several claims", "odd stake"]
    expected.append("paid for a match before a default")
    assert not [name for name in expected if not MET[name]], MET
