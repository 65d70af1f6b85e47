"""Calls that somebody might make: those that a state asks for, and any others.

Each method of `Builder` makes one call, mostly the right one for the entity that it is about.
Whether it is allowed only the model knows.
"""

from dataclasses import replace
from functools import cache
from hashlib import sha256
from random import Random
from typing import Any

from protocol import moves
from protocol.game import Game as Position
from protocol.game import Stage
from protocol.merkle import Tree, compute_vector_tree
from protocol.refusals import GameError
from protocol.strategy import build_pick, compute_challenger_move, compute_worker_move
from tests.disputes import get_inside, make_tiny_run, make_truth
from tests.evidence import Lie, SpecEvidence, compute_genesis_root
from tests.property.economy.driver import Call, Driver, play
from tests.property.economy.ghost.audits import Audit
from tests.property.economy.ghost.base import WHOLE, YEAR, ZERO_ADDRESS
from tests.property.economy.ghost.market import Offer, Terms

HASHES = [sha256(bytes([i])).digest() for i in range(4)]
ROLES = (0, 1, 2, 3)
# Segments of made-up runs: no stretch, one, two, three.
SEGMENTS = (2, 3, 5, 5, 7)


@cache
def make_evidence(is_true: bool) -> SpecEvidence:
    """The tiny run, or the same with a lie in its only element."""
    run = make_tiny_run()
    return make_truth(run) if is_true else SpecEvidence(run, lie=Lie(0, 0, 0, 0))


class MadeUp:
    """A claim about states that nobody computed: it can be opened, and nothing below it."""

    def __init__(self, tree: Tree):
        self.tree = tree

    def claim_tree(self) -> Tree:
        return self.tree


class Builder:
    """Makes calls by what the model knows, and remembers what it does not: trees and salts."""

    def __init__(self, driver: Driver, random: Random):
        self.driver, self.ghost, self.random = driver, driver.ghost, random
        self.actors = driver.world.actors
        self.trees: dict[bytes, Tree] = {}  # by claim root
        self.evidence: dict[bytes, Any] = {}
        # What most of the sequence is about: sequences that go deep, besides those that go wide.
        self.focus = random.choice(["", "audits", "audits", "games"])
        self.secrets: dict[tuple[int, str], tuple[bytes, bytes]] = {}  # state root, salt
        self.chains: dict[int, bytes] = {}  # secrets of SubmitterBeacon, by task

    def pick(self, prefix: str) -> str:
        """An actor whose name begins so."""
        return self.random.choice([a for name, a in self.actors.items() if name.startswith(prefix)])

    def pick_anybody(self) -> str:
        contracts = [a for name, a in self.driver.addresses.items() if name != "token"]
        some = [*self.actors.values(), *self.actors.values(), *contracts]
        return self.random.choice(some)

    # Accounts.

    def register(self, node: str | None = None, roles: int | None = None) -> Call:
        node = node or self.pick_anybody()
        known = self.ghost.registry.node_of(node)
        payout = known.payout if known.payout != ZERO_ADDRESS else self.pick("payout")
        if self.random.random() < 0.3:
            payout = self.random.choice([node, ZERO_ADDRESS, self.pick("payout")])
        chosen = self.random.choice(ROLES) if roles is None else roles
        values = (chosen, *self.random.sample(HASHES, 2), payout, "https://node")
        return Call(node, "registry", "register", values)

    def retire(self) -> Call:
        """Seldom one of those that tasks and audits wait for."""
        nodes = self.ghost.registry.nodes
        names = ("worker", "auditor")
        busy = [actor for name, actor in self.actors.items() if name.startswith(names)]
        idle = [node for node in nodes if node not in busy]
        node = self.random.choice(idle or [self.pick("challenger")])
        if self.random.random() < 0.1:
            node = self.random.choice(list(nodes))
        payer = self.ghost.registry.node_of(node).payout
        sender = payer if payer != ZERO_ADDRESS else node
        return Call(sender, "registry", "retire", (node,))

    def set_payout(self) -> Call:
        node = self.random.choice([*self.ghost.registry.nodes, self.pick_anybody()])
        payout = self.random.choice([self.pick("payout"), self.pick_anybody(), node, ZERO_ADDRESS])
        payer = self.ghost.registry.node_of(node).payout
        sender = payer if self.random.random() < 0.8 and payer != ZERO_ADDRESS else node
        return Call(sender, "registry", "set_payout", (node, payout))

    def deposit(self, account: str | None = None, amount: int | None = None) -> Call:
        sender = account or self.pick_anybody()
        to = sender if self.random.random() < 0.8 else self.pick_anybody()
        if self.random.random() < 0.1:
            to = ZERO_ADDRESS
        chosen = self.random.choice([0, 1, 100, 333]) if amount is None else amount
        return Call(sender, "vault", "deposit", (to, chosen))

    def request_withdrawal(self, account: str | None = None, amount: int | None = None) -> Call:
        account = account or self.pick_anybody()
        free = self.ghost.vault.free_of(account)
        if amount is None:
            amount = self.random.choice([0, 1, free // 3, free, free + 1])
        sender = self.random.choice([account, self.ghost.registry.payout_of(account)])
        return Call(sender, "vault", "request_withdrawal", (account, amount))

    def withdraw_stake(self, account: str | None = None) -> Call:
        waiting = [a for a, ready in self.ghost.vault.ready.items() if ready]
        account = account or self.random.choice([*waiting, self.pick_anybody()])
        return Call(self.pick_anybody(), "vault", "withdraw", (account,))

    def withdraw_reward(self, account: str | None = None) -> Call:
        account = account or self.pick_anybody()
        return Call(self.pick_anybody(), "splitter", "withdraw", (account,))

    def withdraw_bond(self, account: str | None = None) -> Call:
        return Call(account or self.pick_anybody(), "game", "withdraw")

    def join(self, auditor: str | None = None) -> Call:
        auditor = auditor or self.pick_anybody()
        free = self.ghost.vault.free_of(auditor)
        amount = self.random.choice([0, 1, 25, 60, 60, free, free + 1, 2**128])
        return Call(auditor, "lottery", "join", (amount,))

    def leave(self, auditor: str | None = None) -> Call:
        auditor = auditor or self.pick("auditor")
        sender = self.random.choice([auditor, self.ghost.registry.payout_of(auditor)])
        return Call(sender, "lottery", "leave", (auditor,))

    def donate(self) -> Call:
        to = self.random.choice(list(self.driver.addresses.values()))
        return Call(self.pick(""), "token", "transfer", (to, self.random.choice([1, 50])))

    # Tasks.

    def make_terms(self) -> Terms:
        if self.random.random() < {"": 0.3, "audits": 0.0, "games": 0.8}[self.focus]:
            return make_tiny_terms()
        segments = self.random.choice(SEGMENTS[1:] if self.focus == "audits" else SEGMENTS)
        # The least stake, bond and re-execution time differ from task to task.
        operations = self.random.choice([1, 401, 1_001])
        length = self.random.choice([2, 4])
        least = -(-length * operations // 100)
        reexecution = self.random.choice([least, 40])
        return Terms(*HASHES, 1_000, segments, length, max(least, reexecution), operations)

    def make_offer(self, terms: Terms) -> Offer:
        stake, bond, _ = self.ghost.escrow.minimums_of(terms)
        choose = self.random.choice
        low = choose([1, 100, 333])
        lease = choose([300, 900])
        return Offer(
            min_reward=low,
            max_reward=low + choose([0, 1, 700]),
            auction_seconds=choose([0, 100, 301]),
            audit_budget=500 if self.focus == "audits" else choose([0, 3, 61, 500]),
            attestations=choose([0, 0, 1, 2]),
            stake=stake + choose([0, 0, 71]),
            bond=bond + choose([0, 31]),
            lease_seconds=lease,
            heartbeat_seconds=choose([lease, 200]),
            expiry=self.driver.now + choose([1, 400, 5_000, 20_000]),
        )

    def post(self, sender: str | None = None) -> Call:
        terms = self.make_terms()
        count = self.random.choice([0, 0, 1, 2, 8])
        points = [self.random.choice([1, 333, 1_249]) for _ in range(count)]
        shares = tuple(
            (self.random.choice([self.pick(""), self.pick_anybody()]), p) for p in points
        )
        sender = sender or self.pick("submitter")
        return Call(sender, "escrow", "post", (terms, self.make_offer(terms), shares))

    def post_badly(self) -> Call:
        """One field of the terms, of the offer or of the split is out of its range."""
        call = self.post()
        terms, offer, shares = call.arguments
        place = self.random.choice(["terms", "terms", "offer", "offer", "offer", "shares"])
        if place == "terms":
            terms = spoil_field(self.random, terms, BAD_TERMS)
        elif place == "offer":
            stake, bond, _ = self.ghost.escrow.minimums_of(terms)
            less = {"stake": (*BAD_OFFERS["stake"], stake - 1), "bond": (0, bond - 1, 2**128)}
            offer = spoil_field(self.random, offer, BAD_OFFERS | less)
        else:
            half = (self.pick(""), WHOLE // 2)
            bad = [(ZERO_ADDRESS, 5), (half[0], 0), (half[0], WHOLE)]
            shares = self.random.choice([(*shares[:6], self.random.choice(bad)), (half, half)])
        return Call(call.sender, "escrow", "post", (terms, offer, shares))

    def assign(self, task_id: int, worker: str | None = None) -> Call:
        task = self.ghost.escrow.tasks[task_id]
        asked = self.random.choice([0, 0, 0, self.ghost.escrow.offers[task_id].max_reward])
        return Call(
            worker or self.pick("worker"), "escrow", "assign", (task_id, task.digest, asked)
        )

    def report_progress(self, task_id: int) -> Call:
        task, segments = self.ghost.escrow.tasks[task_id], self.ghost.escrow.terms[task_id].segments
        more = task.progress + self.random.choice([1, 1, 1, 2, 0])
        done = segments + 1 if self.random.random() < 0.1 else more
        return Call(task.worker, "escrow", "report_progress", (task_id, done, HASHES[0]))

    def abandon(self, task_id: int) -> Call:
        return Call(self.ghost.escrow.tasks[task_id].worker, "escrow", "abandon", (task_id,))

    def expire_lease(self, task_id: int) -> Call:
        return Call(self.pick_anybody(), "escrow", "expire_lease", (task_id,))

    def claim(self, task_id: int) -> Call:
        task, terms = self.ghost.escrow.tasks[task_id], self.ghost.escrow.terms[task_id]
        evidence: Any
        if terms == make_tiny_terms():
            evidence = make_evidence(self.random.random() < 0.5)
        else:
            run = f"{task_id} {self.random.randrange(9)}"
            leaves = [sha256(f"{run} {i}".encode()).digest() for i in range(terms.segments)]
            evidence = MadeUp(compute_vector_tree(leaves))
        tree = evidence.claim_tree()
        self.trees[tree.root], self.evidence[tree.root] = tree, evidence
        last = tree.count - 1
        proof = (tree.root, tree.get_node(0, last), tuple(tree.get_path(last)))
        if self.random.random() < 0.07:
            proof = (tree.root, tree.root, ())  # a node that is no leaf
        return Call(task.worker, "escrow", "claim", (task_id, task.digest, *proof))

    def cancel(self, task_id: int) -> Call:
        return Call(self.ghost.escrow.tasks[task_id].submitter, "escrow", "cancel", (task_id,))

    def expire(self, task_id: int) -> Call:
        return Call(self.pick_anybody(), "escrow", "expire", (task_id,))

    def commit_link(self, task_id: int) -> Call:
        link = sha256(sha256(sha256(task_id.to_bytes(32, "big")).digest()).digest()).digest()
        submitter = self.ghost.escrow.tasks[task_id].submitter
        return Call(submitter, "beacon", "commit", (task_id, link))

    # Claims.

    def finalise(self, claim_id: int) -> Call:
        return Call(self.pick_anybody(), "escrow", "finalise", (claim_id,))

    def open(self, claim_id: int, challenger: str | None = None) -> Call:
        root = self.ghost.escrow.claims[claim_id].root
        return Call(challenger or self.pick("challenger"), "game", "open", (claim_id, root))

    def fix(self, claim_id: int) -> Call:
        return Call(self.pick_anybody(), "beacon", "fix", (claim_id,))

    def restart(self, claim_id: int) -> Call:
        return Call(self.pick_anybody(), "beacon", "restart", (claim_id,))

    def show(self, claim_id: int) -> Call:
        """The preimage of the task's link, which is two hashes away from a known number."""
        task_id = self.ghost.escrow.claims[claim_id].task_id
        link = self.ghost.beacon.link_of(task_id)  # type: ignore[attr-defined]
        preimage = task_id.to_bytes(32, "big")
        for _ in range(3):
            if sha256(preimage).digest() == link:
                break
            preimage = sha256(preimage).digest()
        return Call(self.pick_anybody(), "beacon", "show", (claim_id, preimage))

    def draw(self, claim_id: int) -> Call:
        return Call(self.pick_anybody(), "lottery", "draw", (claim_id,))

    def commit(self, claim_id: int, auditor: str | None = None) -> Call:
        """To the claim's own leaf, or now and then to another one."""
        worker = self.ghost.escrow.claims[claim_id].worker
        auditor = auditor or self.random.choice([self.pick("auditor"), self.pick(""), worker])
        state_root, salt = HASHES[1], self.random.choice(HASHES)
        if claim_id in self.ghost.lottery.draws and self.random.random() < 0.6:
            state_root = self._get_leaf(claim_id, auditor)
        self.secrets.setdefault((claim_id, auditor), (state_root, salt))
        state_root, salt = self.secrets[claim_id, auditor]
        digest = sha256(state_root + bytes.fromhex(auditor[2:]) + salt).digest()
        root = self.ghost.escrow.claims[claim_id].root
        return Call(auditor, "lottery", "commit", (claim_id, root, digest))

    def _get_leaf(self, claim_id: int, auditor: str) -> bytes:
        segment = self.ghost.lottery.stretch_of(claim_id, auditor)[1]
        return bytes(self.get_tree(claim_id).get_node(0, segment))

    def get_tree(self, claim_id: int) -> Tree:
        return self.trees[self.ghost.escrow.claims[claim_id].root]

    def get_audits(self, claim_id: int) -> dict[str, Audit]:
        audits = self.ghost.lottery.audits.items()
        return {auditor: audit for (key, auditor), audit in audits if key == claim_id}

    def _pick_segment(self, claim_id: int) -> int:
        segments = [audit.segment for audit in self.get_audits(claim_id).values()]
        return self.random.choice([*segments, *segments, *segments, 1])

    def open_leaf(self, claim_id: int, segment: int | None = None) -> Call:
        tree = self.get_tree(claim_id)
        place = self._pick_segment(claim_id) if segment is None else segment
        index = min(place, tree.count - 1)
        proof = (tree.get_node(0, index), tuple(tree.get_path(index)))
        worker = self.ghost.escrow.claims[claim_id].worker
        return Call(worker, "lottery", "open_leaf", (claim_id, place, *proof))

    def reveal(self, claim_id: int, auditor: str | None = None) -> Call:
        auditor = auditor or self.random.choice([*self.get_audits(claim_id), self.pick("auditor")])
        secret = self.secrets.get((claim_id, auditor), (HASHES[0], HASHES[0]))
        return Call(auditor, "lottery", "reveal", (claim_id, *secret))

    def declare_default(self, claim_id: int, segment: int | None = None) -> Call:
        place = self._pick_segment(claim_id) if segment is None else segment
        return Call(self.pick_anybody(), "lottery", "declare_default", (claim_id, place))

    def settle(self, claim_id: int, auditor: str | None = None) -> Call:
        auditor = auditor or self.random.choice([*self.get_audits(claim_id), self.pick("auditor")])
        return Call(self.pick_anybody(), "lottery", "settle", (claim_id, auditor))

    def attest(self, claim_id: int, account: str | None = None) -> Call:
        claim = self.ghost.escrow.claims[claim_id]
        account = account or self.random.choice(
            [self.pick("auditor"), self.pick("auditor"), self.pick(""), claim.worker]
        )
        return Call(account, "availability", "attest", (claim_id, claim.final_state_root))

    def serve_again(self, claim_id: int) -> Call:
        worker = self.ghost.escrow.claims[claim_id].worker
        return Call(worker, "availability", "serve_again", (claim_id,))

    def void(self, claim_id: int) -> Call:
        return Call(self.pick_anybody(), "availability", "void", (claim_id,))

    # Games.

    def move(self, game_id: int) -> Call | None:
        """The owed move, where the side that owes it can make one."""
        entry = self.ghost.game.entries[game_id]
        position, evidence = entry.position, self.evidence[entry.position.subject.claim_root]
        move: moves.SideMove | None
        try:
            if position.stage is Stage.PICK:
                move = build_pick(position, self._pick_child(position), entry.shown)
            elif position.stage is Stage.PICK_ELEMENT:
                truth = make_evidence(is_true=True)
                honest = compute_challenger_move(position, truth, entry.shown)
                move = honest or moves.PickElement(position.move, 0)
            else:
                move = compute_worker_move(position, evidence)
        except (GameError, ValueError, IndexError, AttributeError):
            return None  # nothing to open: the worker waits
        if move is None:
            return None
        is_challenger = position.is_challenger_owing()
        sender = position.challenger if is_challenger else position.subject.worker
        return play(sender, game_id, move)

    def _pick_child(self, position: Position) -> int:
        inside = get_inside(position)
        return self.random.choice(inside) if inside else 0

    def timeout(self, game_id: int) -> Call:
        return play(self.pick_anybody(), game_id, moves.Timeout())

    def drop(self, game_id: int) -> Call:
        return play(self.pick_anybody(), game_id, moves.Drop())

    # Hooks, by anybody.

    def hook(self) -> Call:
        contract, function = self.random.choice(HOOKS)
        claim_id = self.random.randint(0, len(self.ghost.escrow.claims) + 1)
        task_id = self.random.randint(1, len(self.ghost.escrow.tasks) + 1)
        locked = [lock_id for _, lock_id in self.ghost.vault.locks]
        task_id = self.random.choice([task_id, FREE_LOCKS, *locked])
        account, amount = self.pick(""), self.random.choice([1, 40, 77, 2**130])
        arguments: dict[str, tuple[Any, ...]] = {
            "process_worker_lost": (claim_id, account),
            "pay_audit": (claim_id, account, amount),
            "lock": (task_id, account, amount),
            "release": (task_id,),
            "slash": (task_id, amount, account),
            "set_split": (task_id, ((account, 5),)),
            "credit": (task_id, account, amount),
            "credit_account": (task_id, account, amount),
            "record_finalised": (account,),
            "record_lost": (account,),
            "record_abandoned": (account,),
        }
        sender = self.random.choice([self.pick_anybody(), *self.driver.addresses.values()])
        if self.random.random() < 0.6:
            # The right one: what it must not do is refused as well.
            sender = self.driver.addresses[CALLERS.get(function, "escrow")]
        return Call(sender, contract, function, arguments.get(function, (claim_id,)))


# Who calls a hook, if not the escrow.
CALLERS = {
    "process_game_opened": "game",
    "process_game_lost": "game",
    "process_worker_lost": "game",
    "process_game_dropped": "game",
    "process_audit_default": "lottery",
    "process_unavailable": "availability",
    "pay_audit": "lottery",
}
# Numbers from here on belong to no task.
FREE_LOCKS = 10**6

HOOKS = [
    ("escrow", "process_game_opened"),
    ("escrow", "process_game_lost"),
    ("escrow", "process_worker_lost"),
    ("escrow", "process_game_dropped"),
    ("escrow", "process_audit_default"),
    ("escrow", "process_unavailable"),
    ("escrow", "pay_audit"),
    ("vault", "lock"),
    ("vault", "release"),
    ("vault", "slash"),
    ("splitter", "set_split"),
    ("splitter", "credit"),
    ("splitter", "credit_account"),
    ("registry", "record_finalised"),
    ("registry", "record_lost"),
    ("registry", "record_abandoned"),
    ("game", "process_claim_slashed"),
    ("lottery", "process_claimed"),
    ("beacon", "process_claimed"),
]

BAD_TERMS: dict[str, tuple[Any, ...]] = {
    "program_root": (bytes(32),),
    "genesis_root": (bytes(32),),
    "records": (0, 2**40 + 1),
    "segments": (0, 2**20 + 1),
    "segment_length": (0, 2**20 + 1),
    "reexecution_seconds": (0, 91),
    "step_operations": (0,),
}
BAD_OFFERS: dict[str, tuple[Any, ...]] = {
    "min_reward": (0, 2_000),
    "max_reward": (2**128, 99_000_000),
    "auction_seconds": (YEAR + 1,),
    "audit_budget": (2**128,),
    "attestations": (17,),
    "stake": (0, 29, 2**128),
    "bond": (0, 19, 2**96),
    "lease_seconds": (0, 2_001),
    "heartbeat_seconds": (0, 1_000),
    "expiry": (0,),
}


def spoil_field(random: Random, value: Any, choices: dict[str, tuple[Any, ...]]) -> Any:

    name = random.choice(list(choices))
    return replace(value, **{name: random.choice(choices[name])})


@cache
def make_tiny_terms() -> Terms:
    """Of the run that can be disputed to its end."""
    run = make_tiny_run()
    return Terms(
        program_root=run.program.root,
        genesis_root=compute_genesis_root(run),
        dataset_root=run.dataset.root,
        seed=run.seed,
        records=run.dataset.records,
        segments=1,
        segment_length=1,
        reexecution_seconds=20,
        step_operations=1_000,
    )
