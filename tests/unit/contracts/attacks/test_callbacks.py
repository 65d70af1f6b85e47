"""A token with callbacks: an auditor that calls again from within its payments."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import boa
import pytest

from protocol.sortition import compute_commitment
from protocol.types import Root
from tests import economy as eco
from tests.audits import SALT, mine
from tests.economy import compute_claim_tree, deploy_economy, deploy_game
from tests.unit.contracts.attacks.systems import load

TREE = compute_claim_tree()
# Claims, by what becomes of the attacker's audit.
MATCH, SILENT, DEFAULT, ATTEST = range(4)
NOBODY = "0x" + "00" * 20
Call = tuple[Any, bytes]


class Callbacks:
    """The attacker is the only auditor, and audits four claims of an honest worker."""

    def __init__(self) -> None:
        self.token, self.attacker = load("CallbackToken"), load("Attacker")
        self.economy = deploy_economy(self.token, round_seconds=100_000)
        self.game = deploy_game(self.economy)
        self.me = str(self.attacker.address)
        self._join()
        self.claims = [self._claim() for _ in range(4)]
        draws = [self.economy.lottery.draw_of(claim_id) for claim_id in self.claims]
        for claim_id in self.claims:
            self._commit(claim_id)
        boa.env.timestamp = max(draw.commit_deadline for draw in draws) + 1
        for claim_id in self.claims:
            if claim_id != self.claims[DEFAULT]:
                self._open(claim_id)
        boa.env.timestamp = max(draw.open_deadline for draw in draws) + 1
        self.over = max(draw.reveal_deadline for draw in draws) + 1

    def run(self, target: Any, data: bytes) -> None:
        self.attacker.execute(target, data)

    def _join(self) -> None:
        economy, amount = self.economy, 10 * eco.PENALTY
        payout = boa.env.generate_address("payout")
        economy.registry.register(eco.AUDITOR, b"", bytes(32), payout, "", sender=self.me)
        self.payout = payout
        self.token.mint(self.me, 10**6)
        vault, lottery = economy.vault, economy.lottery
        self.run(vault, vault.deposit.prepare_calldata(self.me, amount + 70))
        self.run(vault, vault.request_withdrawal.prepare_calldata(self.me, 30))
        self.run(lottery, lottery.join.prepare_calldata(amount))
        boa.env.time_travel(seconds=max(eco.WARMUP_SECONDS, eco.UNBONDING_SECONDS))

    def _claim(self) -> int:
        economy = self.economy
        claim_id: int = economy.claimed(audit_budget=1_000, attestations=1)
        mine(eco.DELAY_BLOCKS + 1)
        economy.beacon.fix(claim_id)
        economy.lottery.draw(claim_id)
        return claim_id

    def _segment(self, claim_id: int) -> int:
        return int(self.economy.lottery.stretch_of(claim_id, self.me)[1])

    def _commit(self, claim_id: int) -> None:
        root = TREE.get_node(0, self._segment(claim_id))
        lottery, commitment = self.economy.lottery, compute_commitment(Root(root), self.me, SALT)
        claim_root = self.economy.escrow.claim_of(claim_id).root
        self.run(lottery, lottery.commit.prepare_calldata(claim_id, claim_root, commitment))

    def _open(self, claim_id: int) -> None:
        segment = self._segment(claim_id)
        leaf, path = TREE.get_node(0, segment), TREE.get_path(segment)
        self.economy.lottery.open_leaf(claim_id, segment, leaf, path)

    def build_outer(self) -> dict[str, Call]:
        """Calls of lottery and availability that move tokens."""
        lottery, availability = self.economy.lottery, self.economy.availability
        match, silent, default, attest = self.claims
        leaf = TREE.get_node(0, self._segment(match))
        return {
            "reveal": (lottery, lottery.reveal.prepare_calldata(match, leaf, SALT)),
            "settle": (lottery, lottery.settle.prepare_calldata(silent, self.me)),
            "declare_default": (
                lottery,
                lottery.declare_default.prepare_calldata(default, self._segment(default)),
            ),
            "attest": (
                availability,
                availability.attest.prepare_calldata(attest, TREE.get_node(0, TREE.count - 1)),
            ),
        }

    def build_inner(self) -> dict[str, Call]:
        economy = self.economy
        lottery, escrow, vault = economy.lottery, economy.escrow, economy.vault
        default = self.claims[DEFAULT]
        root = escrow.claim_of(default).root
        return self.build_outer() | {
            "settle default": (lottery, lottery.settle.prepare_calldata(default, self.me)),
            "join": (lottery, lottery.join.prepare_calldata(5)),
            "leave": (lottery, lottery.leave.prepare_calldata(self.me)),
            "vault.withdraw": (vault, vault.withdraw.prepare_calldata(self.me)),
            "vault.request": (vault, vault.request_withdrawal.prepare_calldata(self.me, 9)),
            "splitter": (
                economy.splitter,
                economy.splitter.withdraw.prepare_calldata(self.payout),
            ),
            "finalise": (escrow, escrow.finalise.prepare_calldata(self.claims[ATTEST])),
            "open": (self.game, self.game.open.prepare_calldata(default, root)),
        }

    def get_wealth(self) -> int:
        economy, vault = self.economy, self.economy.vault
        wealth = self.game.total_held() + vault.unbonding_of(self.me)
        for account in (self.me, self.payout):
            wealth += self.token.balanceOf(account) + economy.splitter.owed_to(account)
        return int(wealth + vault.free_of(self.me) + vault.locked_of(self.me))

    def check_books(self) -> None:
        economy, token = self.economy, self.token
        assert token.balanceOf(self.game) >= self.game.total_held()
        assert token.balanceOf(economy.vault) >= economy.vault.total_staked()
        assert token.balanceOf(economy.splitter) >= economy.splitter.total_owed()
        assert token.balanceOf(economy.escrow) >= economy.escrow.total_escrowed()

    def play_after(self, *calls: Call) -> int:
        """Wealth after the calls one by one, those that are refused left out."""
        with boa.env.anchor():
            for call in calls:
                boa.env.execute_code(
                    to_address=self.attacker.address,
                    data=self.attacker.execute.prepare_calldata(*call),
                )
            return self.get_wealth()


@pytest.fixture(scope="module")
def callbacks() -> Iterator[Callbacks]:
    with boa.env.anchor():
        yield Callbacks()


@pytest.mark.parametrize("over", [False, True], ids=["reveals open", "reveals over"])
def test_callback__from_an_audits_payment__is_no_better_than_one_call_after_the_other(
    callbacks: Callbacks, over: bool
) -> None:
    """Fees, defaults, penalties and attestations, each with everything tried from within."""
    met: Counter[str] = Counter()
    with boa.env.anchor():
        if over:
            boa.env.timestamp = callbacks.over
        for name, outer in callbacks.build_outer().items():
            if name == ("reveal" if over else "settle"):
                continue
            for within, inner in callbacks.build_inner().items():
                fair = max(
                    callbacks.play_after(outer),
                    callbacks.play_after(outer, inner),
                    callbacks.play_after(inner, outer),
                )
                with boa.env.anchor():
                    callbacks.attacker.arm(*inner)
                    callbacks.token.set_hook(callbacks.me)
                    callbacks.run(*outer)
                    callbacks.token.set_hook(NOBODY)
                    assert callbacks.attacker.calls() > 0, name
                    inside = callbacks.attacker.successes() > 0
                    met["inside" if inside else "refused"] += 1
                    assert not (inside and inner[0] == outer[0]), (name, within)
                    assert callbacks.get_wealth() <= fair, (name, within)
                    callbacks.check_books()
    assert met["inside"] > 0 and met["refused"] > met["inside"], met
