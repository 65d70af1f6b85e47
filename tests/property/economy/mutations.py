"""Contracts with one thing wrong, each of which the economy's tests must catch.

A mutation replaces a text that occurs exactly once in a source, so that the list cannot rot
unnoticed. `python -m tests.property.economy.mutations` runs all of them and prints a table.
"""

import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boa

from tests.economy import CONTRACTS
from tests.property.economy.coverage import REASON
from tests.property.economy.deployment import SOURCES, World, deploy, silence
from tests.property.economy.machine import play

SESSIONS, STEPS = 16, 160
KEYS = SOURCES | {"beacon": "BlockhashBeacon SubmitterBeacon"}


@dataclass(frozen=True)
class Mutation:
    name: str
    invariants: str  # ids of protocol/INVARIANTS.md
    contract: str  # what is compiled again
    old: str
    new: str
    source: str = ""  # where the text is, if not in the contract itself
    beacon: str = "BlockhashBeacon"
    near: str = ""  # calls that come by the place, where it is in no external function

    @property
    def path(self) -> str:
        return f"{self.source or self.contract}.vy"

    @property
    def wanted(self) -> frozenset[str]:
        """Outcomes that lead to the mutated place: its reasons, and the function around it."""
        text = (CONTRACTS / self.path).read_text()
        before = text[: text.index(self.old)]
        names = re.findall(r"@external\n(?:@view\n)?def (\w+)", before.rpartition("@internal")[2])
        name = next(key for key, source in KEYS.items() if self.contract in source)
        after = text[text.index(self.old) :][: len(self.old) + 50]
        around = f"{name}.{names[-1]}" if names else ""
        reasons = REASON.findall(after)
        found = {f"{around}: {reason}" if around else reason for reason in reasons} or {around}
        return frozenset(self.near.split(" or ") if self.near else found)


ESCROW, VAULT, SPLITTER, LOTTERY = "TaskEscrow", "StakeVault", "RewardSplitter", "AuditLottery"
GAME, REGISTRY, AVAILABILITY = "ChallengeGame", "NodeRegistry", "Availability"
MUTATIONS = [
    # Registry
    Mutation(
        "the hot key changes its payout by registering again",
        "N1",
        REGISTRY,
        "assert known == empty(address) or known == payout,",
        "assert known == known,",
    ),
    Mutation(
        "anybody changes a payout",
        "N1",
        REGISTRY,
        'assert msg.sender == self._node_of[node].payout, "registry: not the payout"\n    self.',
        "self.",
    ),
    Mutation(
        "the reward goes to the hot key",
        "N2",
        ESCROW,
        "credit(task_id, self._get_payout(worker), reward)",
        "credit(task_id, worker, reward)",
    ),
    Mutation(
        "stake is paid out to the hot key",
        "N2",
        VAULT,
        "payout: address = self._get_payout(account)",
        "payout: address = account",
    ),
    Mutation(
        "a retired node registers again",
        "N4",
        REGISTRY,
        '    assert not self.is_retired[msg.sender], "registry: retired"\n',
        "",
    ),
    Mutation(
        "a retired node keeps its roles",
        "N4",
        REGISTRY,
        "    self._node_of[node].roles = empty(INodeRegistry.Role)\n",
        "",
    ),
    Mutation(
        "anybody retires a node",
        "N4",
        REGISTRY,
        '    assert msg.sender == self._node_of[node].payout, "registry: not the payout"\n'
        "    assert not self",
        "    assert not self",
        near="registry.retire: registry: not the payout",
    ),
    Mutation(
        "a retired node commits to audits",
        "N4",
        LOTTERY,
        "        staticcall INodeRegistry(registry).is_auditor(msg.sender)\n"
        '    ), "lottery: not an auditor"\n    claim',
        '        True\n    ), "lottery: not an auditor"\n    claim',
        near="lottery.commit: lottery: not an auditor or registry.retire",
    ),
    Mutation(
        "a lost claim is not counted",
        "N3",
        ESCROW,
        "    extcall INodeRegistry(registry).record_lost(worker)\n",
        "",
        near="game.timeout or lottery.declare_default",
    ),
    # Escrow
    Mutation(
        "a payment leaves the total as it was",
        "E1 E2",
        ESCROW,
        "    self.total_escrowed -= amount\n",
        "",
        near="escrow.finalise or escrow.cancel",
    ),
    Mutation(
        "the total forgets the audit budget",
        "E1 E2",
        ESCROW,
        "    self.total_escrowed += escrowed\n",
        "    self.total_escrowed += offer.max_reward\n",
    ),
    Mutation(
        "the splitter gets more than it is told",
        "E2 E3",
        ESCROW,
        "self._pay(splitter, reward + rest)",
        "self._pay(splitter, self._offer_of[task_id].max_reward)",
    ),
    Mutation(
        "the rest of the reward is forgotten",
        "E2",
        ESCROW,
        "    if rest != 0:\n",
        "    if rest > 700:\n",
    ),
    Mutation(
        "a slashed claim can be slashed again",
        "E4 G8",
        ESCROW,
        "    self._claim_of[claim_id].status = ITaskEscrow.ClaimStatus.SLASHED\n",
        "",
        near="game.timeout",
    ),
    Mutation(
        "only half of the stake is slashed",
        "E4 V3",
        ESCROW,
        "task_id, self._offer_of[task_id].stake, recipient\n",
        "task_id, self._offer_of[task_id].stake // 2, recipient\n",
        near="game.timeout",
    ),
    Mutation(
        "who gives a task up keeps its stake locked",
        "E4 V3",
        ESCROW,
        "    extcall IStakeVault(vault).release(task_id)\n\n\n@internal\ndef _slash",
        "\n\n@internal\ndef _slash",
        near="escrow.abandon or availability.void",
    ),
    Mutation(
        "a claim is finalised one second early",
        "E5",
        ESCROW,
        "assert block.timestamp > self._claim_of[claim_id].challenge_deadline,",
        "assert block.timestamp >= self._claim_of[claim_id].challenge_deadline,",
    ),
    Mutation(
        "a claim is finalised while games are open",
        "E5",
        ESCROW,
        '"escrow: window open"\n    self._check_no_games(claim_id)\n',
        '"escrow: window open"\n',
        near="escrow.finalise: escrow: games open",
    ),
    Mutation(
        "a claim is finalised without its result",
        "E5 D1",
        ESCROW,
        "    if self._offer_of[task_id].attestations != 0:\n",
        "    if self._offer_of[task_id].attestations > 1:\n",
        near="escrow.finalise: escrow: result not available",
    ),
    Mutation(
        "the window ends with the audits",
        "E5",
        ESCROW,
        "        + challenge_seconds\n    )",
        "    )",
    ),
    Mutation(
        "a game is opened one second late",
        "E5",
        ESCROW,
        "assert block.timestamp <= self._claim_of[claim_id].challenge_deadline,",
        "assert block.timestamp <= self._claim_of[claim_id].challenge_deadline + 1,",
    ),
    Mutation(
        "a reward above 2**128",
        "E6",
        ESCROW,
        "    assert offer.audit_budget <= MAX_AMOUNT,",
        "    assert offer.audit_budget <= 2 * MAX_AMOUNT,",
        near="escrow.post: escrow: audit budget out of range",
    ),
    Mutation(
        "any final state passes",
        "E7",
        ESCROW,
        "    return merkle.compute_root_from_path(leaf, leaves - 1, path) == root",
        "    return True",
        near="escrow: final state not in claim",
    ),
    Mutation(
        "an inner node passes for the final state",
        "E7",
        ESCROW,
        "    if len(path) != merkle.compute_height(leaves):\n        return False\n",
        "",
        near="escrow: final state not in claim",
    ),
    Mutation(
        "the refund of a finalised task is pushed",
        "E8",
        ESCROW,
        "    self._pay(splitter, reward + rest)\n",
        "    self._pay(splitter, reward)\n"
        "    self._pay(self._task_of[task_id].submitter, rest)\n    rest = 0\n",
    ),
    Mutation(
        "the digest leaves the offer out",
        "E9",
        ESCROW,
        "keccak256(abi_encode(msg.sender, terms, offer, shares))",
        "keccak256(abi_encode(msg.sender, terms, shares))",
    ),
    Mutation(
        "a worker takes any task under a number",
        "E9",
        ESCROW,
        '    assert digest == self._task_of[task_id].digest, "escrow: another task"\n    price',
        "    price",
    ),
    Mutation(
        "a worker gets less than it asked for",
        "E9",
        ESCROW,
        '    assert price >= reward, "escrow: reward too low"\n',
        "",
    ),
    Mutation(
        "stake is priced rounded down",
        "E10",
        ESCROW,
        "(rate * operations + RATE_OPERATIONS - 1) // RATE_OPERATIONS",
        "rate * operations // RATE_OPERATIONS",
        source="modules/pricing",
        near="escrow: stake out of range",
    ),
    Mutation(
        "the auction goes on from the first posting",
        "E10",
        ESCROW,
        "    self._task_of[task_id].posted_at = block.timestamp\n    self._task_of[task_id].worker",
        "    self._task_of[task_id].worker",
        near="escrow.abandon or escrow.expire_lease",
    ),
    Mutation(
        "audits are paid beyond the budget",
        "E11",
        ESCROW,
        "    paid: uint256 = min(amount, budget)\n",
        "    paid: uint256 = amount\n",
        near="lottery.reveal or availability.attest",
    ),
    Mutation(
        "the budget is not spent",
        "E11",
        ESCROW,
        "    self._task_of[task_id].audit_budget = budget - paid\n",
        "",
        near="lottery.reveal or availability.attest",
    ),
    Mutation(
        "the award of a default is lost",
        "E11",
        ESCROW,
        "    self._task_of[self._claim_of[claim_id].task_id].audit_budget += awarded\n",
        "",
        near="lottery.declare_default",
    ),
    Mutation(
        "a budget goes back while fees are reserved",
        "E11 L3",
        ESCROW,
        "staticcall IAuditLottery(lottery).reserved_of(task_id) == 0",
        "staticcall IAuditLottery(lottery).reserved_of(task_id) >= 0",
    ),
    Mutation(
        "a lease outlasts its heartbeat",
        "E12",
        ESCROW,
        "    assert block.timestamp > self._task_of[task_id].heartbeat_end, ",
        "    assert block.timestamp > self._task_of[task_id].lease_end, ",
    ),
    Mutation(
        "a heartbeat outlasts the lease",
        "E12",
        ESCROW,
        "    heartbeat_end: uint256 = min(\n"
        "        block.timestamp + self._offer_of[task_id].heartbeat_seconds,\n",
        "    heartbeat_end: uint256 = max(\n"
        "        block.timestamp + self._offer_of[task_id].heartbeat_seconds,\n",
    ),
    Mutation(
        "a lost lease is forgotten",
        "E12",
        ESCROW,
        "    self.had_lease[task_id][worker] = True\n",
        "",
        near="escrow.abandon or escrow.expire_lease or escrow: had a lease",
    ),
    Mutation(
        "a void claim is no bar to the same task",
        "E12",
        ESCROW,
        "    log ITaskEscrow.ClaimVoided(task_id=task_id, claim_id=claim_id, worker=worker)\n"
        "    self._give_up(task_id, worker)\n",
        "    log ITaskEscrow.ClaimVoided(task_id=task_id, claim_id=claim_id, worker=worker)\n"
        "    self._give_up(task_id, worker)\n"
        "    self.had_lease[task_id][worker] = False\n",
        near="availability.void",
    ),
    # Vault
    Mutation(
        "a withdrawal leaves the total as it was",
        "V1 V2",
        VAULT,
        "    self.ready_at[account] = 0\n    self.total_staked -= amount\n",
        "    self.ready_at[account] = 0\n",
    ),
    Mutation(
        "locked stake stays free",
        "V2 V3",
        VAULT,
        "    self.free_of[account] = free - amount\n",
        "    self.free_of[account] = max(free, amount)\n",
        near="escrow.assign",
    ),
    Mutation(
        "a released lock stays locked",
        "V2",
        VAULT,
        "    self.locked_of[lock.account] -= amount\n",
        "",
        near="escrow.abandon",
    ),
    Mutation(
        "unbonding stake can be had at once",
        "V3",
        VAULT,
        "assert block.timestamp >= self.ready_at[account],",
        "assert block.timestamp + 700 >= self.ready_at[account],",
    ),
    Mutation(
        "anybody locks and slashes",
        "V3",
        VAULT,
        'assert msg.sender == escrow or msg.sender == lottery, "vault: not a locker"',
        "pass",
    ),
    Mutation(
        "a lock takes another account's stake in",
        "V3",
        VAULT,
        "assert holder == empty(address) or holder == account,",
        "assert holder == holder,",
    ),
    Mutation(
        "the hot key delays what its owner takes out",
        "V5",
        VAULT,
        "    assert is_owner or self.unbonding_of[account] == 0,",
        "    assert is_owner or self.unbonding_of[account] != 1,",
        near="vault.request_withdrawal: vault: withdrawal pending",
    ),
    Mutation(
        "the hot key stands against its owner's request",
        "V5",
        VAULT,
        "    assert is_owner or self.unbonding_of[account] == 0,",
        "    assert self.unbonding_of[account] == 0,",
        near="vault.request_withdrawal",
    ),
    Mutation(
        "a second request leaves the delay of the first",
        "V5",
        VAULT,
        "    self.ready_at[account] = ready_at\n",
        "    self.ready_at[account] = max(self.ready_at[account], block.timestamp + 1)\n",
        near="vault.request_withdrawal or vault.withdraw",
    ),
    Mutation(
        "the burned part is rounded down",
        "V4",
        VAULT,
        "    awarded: uint256 = amount * (WHOLE - burned_bps) // WHOLE\n",
        "    awarded: uint256 = amount - amount * burned_bps // WHOLE\n",
        near="game.timeout",
    ),
    # Splitter
    Mutation(
        "a debt without tokens",
        "R1",
        SPLITTER,
        "assert staticcall IERC20(token).balanceOf(self) >= self.total_owed,",
        "assert staticcall IERC20(token).balanceOf(self) >= 0,",
    ),
    Mutation(
        "the worker does not get the remainder",
        "R2",
        SPLITTER,
        "    self._credit(task_id, worker, rest)\n",
        "    self._credit(task_id, worker, rest - min(rest, amount % 2))\n",
        near="escrow.finalise",
    ),
    Mutation(
        "shares can be the whole",
        "R2",
        SPLITTER,
        '    assert total < WHOLE, "splitter: shares exceed whole"\n',
        "",
    ),
    Mutation(
        "a debt is paid twice",
        "R1 R3",
        SPLITTER,
        "    self.owed_to[account] = 0\n",
        "",
    ),
    Mutation(
        "a debt is paid to the caller",
        "R3",
        SPLITTER,
        "        account, amount, default_return_value=True",
        "        msg.sender, amount, default_return_value=True",
        near="splitter.withdraw",
    ),
    # Game
    Mutation(
        "a game's bond is not held",
        "G6",
        GAME,
        "        self.total_held -= burned\n",
        "",
        near="game.timeout",
    ),
    Mutation(
        "the loser's bond goes to the worker whole",
        "G7",
        GAME,
        "* worker_award_bps // WHOLE",
        "* WHOLE // WHOLE",
        near="game.timeout",
    ),
    Mutation(
        "a bond is paid twice",
        "G6 G7",
        GAME,
        "    self.owed_to[msg.sender] = 0\n",
        "",
    ),
    Mutation(
        "a slashed claim goes unnoticed in its other games",
        "G8",
        GAME,
        "    subject.claim_slashed = True\n",
        "    subject.claim_slashed = False\n",
        near="game.timeout or game.drop",
    ),
    # Lottery
    Mutation(
        "auditors are drawn more often than they should be",
        "L2",
        LOTTERY,
        "(self.compute_place(ticket, total_stake) >> widening) < audits * stake",
        "(self.compute_place(ticket, total_stake) >> widening) < 2 * audits * stake",
        source="modules/sortition",
        near="lottery.commit or lottery: not drawn",
    ),
    Mutation(
        "stake counts at once",
        "L2",
        LOTTERY,
        "    if self.active_from[auditor] > self.draw_of[claim_id].claimed_at:\n",
        "    if self.active_from[auditor] > block.timestamp:\n",
        near="lottery.commit or lottery: not drawn or lottery.join",
    ),
    Mutation(
        "stake leaves before it counts",
        "L2",
        LOTTERY,
        "assert block.timestamp >= self.active_from[auditor],",
        "assert block.timestamp >= 0,",
    ),
    Mutation(
        "a fee is reserved twice",
        "L3",
        LOTTERY,
        "    self.reserved_of[claim.task_id] += self.draw_of[claim_id].fee\n",
        "    self.reserved_of[claim.task_id] += 2 * self.draw_of[claim_id].fee\n",
    ),
    Mutation(
        "audits without a penalty in the stake",
        "L4",
        LOTTERY,
        "assert self.stake_of[msg.sender] >= unsettled * penalty,",
        "assert self.stake_of[msg.sender] >= penalty,",
    ),
    Mutation(
        "an auditor leaves with audits open",
        "L4",
        LOTTERY,
        '    assert self.unsettled_of[auditor] == 0, "lottery: audits open"\n',
        "",
    ),
    Mutation(
        "anybody sends an auditor away",
        "L2",
        LOTTERY,
        "        msg.sender == auditor\n        or msg.sender ==",
        "        msg.sender != empty(address)\n        or msg.sender ==",
    ),
    Mutation(
        "stake that was left still counts",
        "L2 L4",
        LOTTERY,
        "    self.total_stake -= stake\n",
        "",
    ),
    Mutation(
        "a draw counts the stake of now",
        "L2",
        LOTTERY,
        '    assert draw.total_stake != 0, "lottery: no auditors"\n',
        "    draw.total_stake = self.total_stake\n"
        '    assert draw.total_stake != 0, "lottery: no auditors"\n',
    ),
    Mutation(
        "a draw comes when all windows are counted",
        "E5",
        LOTTERY,
        "    assert block.timestamp <= draw.claimed_at + draw_seconds,",
        "    assert block.timestamp >= draw.claimed_at,",
    ),
    Mutation(
        "the fee forgets the attestations",
        "L3",
        LOTTERY,
        "self.reserved_of[task_id], audits, offer.attestations\n",
        "self.reserved_of[task_id], audits, 0\n",
        near="lottery.draw",
    ),
    Mutation(
        "one stretch has two audits of one auditor",
        "L5",
        LOTTERY,
        "        self.audit_of[claim_id][msg.sender].status == empty(IAuditLottery.AuditStatus)\n",
        "        self.audit_of[claim_id][msg.sender].status"
        " != IAuditLottery.AuditStatus.MISMATCHED\n",
    ),
    Mutation(
        "a settled audit is settled again",
        "L5",
        LOTTERY,
        "        in (IAuditLottery.AuditStatus.COMMITTED | IAuditLottery.AuditStatus.MISMATCHED)\n",
        "        in (IAuditLottery.AuditStatus.COMMITTED | IAuditLottery.AuditStatus.MISMATCHED"
        " | IAuditLottery.AuditStatus.PAID)\n",
        near="lottery.settle: lottery: nothing to settle",
    ),
    Mutation(
        "a commitment is about any claim of that number",
        "L6",
        LOTTERY,
        '    assert claim_root == claim.root, "lottery: another claim"\n',
        "",
    ),
    Mutation(
        "a silent auditor goes free",
        "L4",
        LOTTERY,
        "        return IAuditLottery.AuditStatus.RELEASED\n"
        "    return IAuditLottery.AuditStatus.PUNISHED",
        "        return IAuditLottery.AuditStatus.RELEASED\n"
        "    return IAuditLottery.AuditStatus.RELEASED",
        near="lottery.settle",
    ),
    Mutation(
        "a default does not pay the auditors",
        "L5",
        LOTTERY,
        "    self._is_defaulted[claim_id] = True\n",
        "",
        near="lottery.settle",
    ),
    Mutation(
        "a default is declared in the open window",
        "L5",
        LOTTERY,
        "assert (\n        block.timestamp > self.draw_of[claim_id].open_deadline\n    )",
        "assert (\n        block.timestamp >= self.draw_of[claim_id].open_deadline\n    )",
    ),
    Mutation(
        "a copied root is paid",
        "L6",
        LOTTERY,
        "    matches: bool = state_root == leaf\n",
        "    matches: bool = True\n",
        near="lottery.reveal",
    ),
    Mutation(
        "a worker audits itself",
        "L6",
        LOTTERY,
        '    assert msg.sender != claim.worker, "lottery: worker cannot audit itself"\n',
        "",
    ),
    Mutation(
        "a commitment is of use to others",
        "L1",
        LOTTERY,
        "sha256(concat(state_root, convert(auditor, bytes20), salt))",
        "sha256(concat(state_root, salt))",
        source="modules/sortition",
        near="lottery.reveal",
    ),
    Mutation(
        "an audit is about the first segment of its stretch",
        "L1",
        LOTTERY,
        "    return 2 * stretch + 1\n",
        "    return 2 * stretch\n",
        source="modules/sortition",
        near="lottery.commit",
    ),
    Mutation(
        "a fee stays reserved",
        "L3",
        LOTTERY,
        "    self.reserved_of[claim.task_id] -= fee\n",
        "",
        near="lottery.reveal or lottery.settle",
    ),
    # Availability
    Mutation(
        "the worker attests its own result",
        "D1",
        AVAILABILITY,
        "    if account == claim.worker:\n        return False\n",
        "",
        near="availability.attest: availability: not an attester",
    ),
    Mutation(
        "anybody attests without stake",
        "D2",
        AVAILABILITY,
        "    if staticcall IAuditLottery(lottery).stake_of(account) == 0:\n        return False\n",
        "",
        near="availability.attest: availability: not an attester",
    ),
    Mutation(
        "accounts count where stake should",
        "D2",
        AVAILABILITY,
        "    return 2 * question.stake > draw.total_stake",
        "    return question.stake > 0",
        near="availability.attest",
    ),
    Mutation(
        "no total is kept for a task without audits",
        "D4",
        ESCROW,
        "audit_budget != 0 or self._offer_of[task_id].attestations != 0\n",
        "audit_budget != 0\n",
        near="escrow.claim",
    ),
    Mutation(
        "a claim is void before its window ends",
        "D3",
        AVAILABILITY,
        '    assert block.timestamp > claim.challenge_deadline, "availability: window open"\n',
        "",
    ),
    # Beacons
    Mutation(
        "a seed can be fixed twice",
        "B1",
        "SubmitterBeacon",
        '    assert self.seed_of[claim_id] == empty(bytes32), "beacon: seed known"\n',
        "",
        beacon="SubmitterBeacon",
    ),
    Mutation(
        "the block of the seed is known at the claim",
        "B1",
        "BlockhashBeacon",
        "    target: uint256 = block.number + delay_blocks\n",
        "    target: uint256 = block.number - 1\n",
        near="beacon.fix",
    ),
    Mutation(
        "a hash's seed can be fixed twice",
        "B1",
        "BlockhashBeacon",
        '    assert self.seed_of[claim_id] == empty(bytes32), "beacon: seed known"\n',
        "",
    ),
    Mutation(
        "all claims of a block have one seed",
        "B1",
        "BlockhashBeacon",
        "sha256(concat(hash, convert(claim_id, bytes32)))",
        "sha256(concat(hash, empty(bytes32)))",
    ),
    Mutation(
        "anybody starts a beacon",
        "B1",
        "BlockhashBeacon",
        '    assert msg.sender == lottery, "beacon: not lottery"\n',
        "",
        near="beacon.process_claimed: beacon: not lottery",
    ),
    Mutation(
        "a link is committed when the claim is known",
        "B1",
        "SubmitterBeacon",
        '    assert task.claim_id == 0, "beacon: task claimed"\n',
        "",
        beacon="SubmitterBeacon",
    ),
    Mutation(
        "a link is changed",
        "B1",
        "SubmitterBeacon",
        '    assert self.link_of[task_id] == empty(bytes32), "beacon: already committed"\n',
        "",
        beacon="SubmitterBeacon",
    ),
    Mutation(
        "anybody commits to a link",
        "B1",
        "SubmitterBeacon",
        '    assert msg.sender == task.submitter, "beacon: not the submitter"\n',
        "",
        beacon="SubmitterBeacon",
    ),
    Mutation(
        "any preimage is shown",
        "B1",
        "SubmitterBeacon",
        '    assert sha256(preimage) == link, "beacon: not the preimage"\n',
        "",
        beacon="SubmitterBeacon",
    ),
    Mutation(
        "a preimage serves two claims",
        "B2",
        "SubmitterBeacon",
        "    self.link_of[claim.task_id] = preimage\n",
        "",
        beacon="SubmitterBeacon",
    ),
    Mutation(
        "the worker's root is not in the seed",
        "B2",
        "SubmitterBeacon",
        "sha256(concat(preimage, claim.root, convert(claim_id, bytes32)))",
        "sha256(concat(preimage, preimage, convert(claim_id, bytes32)))",
        beacon="SubmitterBeacon",
    ),
    Mutation(
        "a seed that nobody likes is thrown again",
        "B2",
        "BlockhashBeacon",
        "    assert block.number > target + WINDOW_BLOCKS,",
        "    assert block.number > target,",
    ),
    Mutation(
        "a preimage is spent on a claim that has ended",
        "B2",
        "SubmitterBeacon",
        "    assert claim.status == ITaskEscrow.ClaimStatus.PENDING,",
        "    assert claim.task_id != 0,",
        beacon="SubmitterBeacon",
    ),
]


class Rotten(Exception):
    """The text that a mutation replaces is not there exactly once."""


def compute_mutant(mutation: Mutation) -> str:
    text = (CONTRACTS / mutation.path).read_text()
    if text.count(mutation.old) != 1:
        found = text.count(mutation.old)
        raise Rotten(f"'{mutation.name}': {found} times in {mutation.path}: {mutation.old}")
    return text.replace(mutation.old, mutation.new)


def compile_mutant(mutation: Mutation) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "contracts"
        shutil.copytree(CONTRACTS, copy)
        (copy / mutation.path).write_text(compute_mutant(mutation))
        return boa.load_partial(str(copy / f"{mutation.contract}.vy"))


@contextmanager
def replace_contract(mutation: Mutation) -> Iterator[World]:
    """The deployment with the mutant's code where the contract's was."""
    world = deploy(mutation.beacon)
    key = next(key for key, source in KEYS.items() if mutation.contract in source)
    original = world.contracts[key]
    with boa.env.anchor():
        mutant = compile_mutant(mutation).stomp(original.address)
        silence(mutant)
        try:
            yield replace(world, contracts=world.contracts | {key: mutant})
        finally:
            boa.env.register_contract(original.address, original)


def catch(mutation: Mutation) -> str:
    """How the mutant was caught; empty where it was not."""
    with replace_contract(mutation) as world:
        try:
            met: Counter[str] = Counter()
            for seed in range(SESSIONS):
                met.update(play(world, seed, STEPS, met.copy(), mutation.wanted))
        except AssertionError as error:
            return str(error) or "an invariant does not hold"
    return ""


def run(mutations: Iterable[Mutation]) -> list[Mutation]:
    """Print a line for each; those that survived."""
    survivors = []
    for mutation in mutations:
        begun = time.monotonic()
        caught = catch(mutation)
        seconds = time.monotonic() - begun
        verdict = "caught" if caught else "SURVIVED"
        print(
            f"{verdict:8} {seconds:5.0f} s  {mutation.invariants:6} {mutation.contract:15} "
            f"{mutation.name}\n{'':18} {caught[:150]}",
            flush=True,
        )
        survivors += [] if caught else [mutation]
    return survivors


if __name__ == "__main__":
    # Parts of names, or "1/3" for the first of three parts of the list.
    words = sys.argv[1:]
    chosen = [m for m in MUTATIONS if not words or any(word in m.name for word in words)]
    if words and "/" in words[0]:
        part, parts = map(int, words[0].split("/"))
        chosen = MUTATIONS[part - 1 :: parts]
    sys.exit(len(run(chosen)))
