"""Whoever wants tokens that are not theirs: puppets, callbacks, any order of calls."""

from collections import Counter
from random import Random

import boa
import pytest

from protocol import moves
from protocol.game import Outcome, Stage, compute_deadline
from tests.disputes import BOND, PRESET, make_tiny_run, make_truth
from tests.economy import (
    BURN_ADDRESS,
    CLAIM_FINALISED,
    CLAIM_PENDING,
    CLAIM_SLASHED,
    POSTED,
    STAKE,
)
from tests.evidence import Lie, SpecEvidence
from tests.unit.contracts.attacks.systems import deploy_system, load, pass_deadline

TRUTH = make_truth(make_tiny_run())
LIE = SpecEvidence(TRUTH.run, lie=Lie(step=0, operator=0, instruction=0, element=0))


def concede(system, table, game_id):
    while table.games[game_id].stage is not Stage.ENDED:
        system.step(table, game_id)


def test_puppet__steals_the_award__liar_still_loses_half_and_nobody_else_anything() -> None:
    """The honest challenger is one move from the end when the worker refutes itself."""
    with boa.env.anchor():
        system = deploy_system()
        economy, contract = system.economy, system.contract
        table = system.claim(LIE)
        honest, puppet = economy.challenger, boa.env.generate_address("puppet")
        game_id = table.open(honest)
        while table.games[game_id].stage is not Stage.PROVE:
            system.step(table, game_id)
        concede(system, table, table.open(puppet))
        assert table.play(game_id, moves.Timeout(), honest) == "game: claim already slashed"
        recovered = economy.splitter.owed_to(puppet)
        assert 0 < recovered <= STAKE // 2
        assert economy.token.balanceOf(BURN_ADDRESS) == STAKE - recovered
        assert contract.owed_to(puppet) == BOND  # its own, and no more

        # The task goes on: the same worker, the same lie, the same challenger, a new game.
        task_id = economy.escrow.claim_of(table.claim_id).task_id
        again = system.claim_task(task_id, LIE)
        second = again.open(honest)
        assert second not in (0, game_id)
        assert economy.escrow.claim_of(again.claim_id).open_games == 1
        # What is left of the first claim is dropped while the second is disputed.
        assert table.play(game_id, moves.Drop(), puppet) == ""
        assert contract.owed_to(honest) == BOND
        assert economy.escrow.claim_of(again.claim_id).open_games == 1
        concede(system, again, second)
        assert again.games[second].outcome is Outcome.CHALLENGER_WON
        assert economy.splitter.owed_to(honest) == recovered
        assert economy.escrow.task_of(task_id).status == POSTED
        system.check_books([honest, puppet, table.worker])


def test_self_challenge__against_a_true_claim__burns_bond_and_gains_no_time() -> None:
    """A worker that fills its own claim with puppets blocks nobody, and pays for each."""
    with boa.env.anchor():
        system = deploy_system()
        economy, contract = system.economy, system.contract
        table = system.claim(TRUTH)
        puppets = [boa.env.generate_address() for _ in range(5)]
        games = [table.open(puppet) for puppet in puppets]
        opened = boa.env.timestamp
        for game_id in games:
            concede(system, table, game_id)
        award = BOND * PRESET.worker_award_bps // 10_000
        assert contract.owed_to(table.worker) == 5 * award
        assert economy.token.balanceOf(BURN_ADDRESS) == 5 * (BOND - award)
        assert economy.escrow.claim_of(table.claim_id).status == CLAIM_PENDING
        with boa.reverts("escrow: window open"):
            economy.escrow.finalise(table.claim_id)
        boa.env.timestamp = opened + contract.max_duration(120) + 600
        economy.escrow.finalise(table.claim_id)
        with boa.reverts("escrow: claim not pending"):
            economy.escrow.finalise(table.claim_id)
        system.check_books([*puppets, table.worker])


def test_stalling__both_sides_to_the_last_second__ends_within_the_bound() -> None:
    """However slow, a game ends; while it lasts the stake stays locked and nothing finalises."""
    with boa.env.anchor():
        system = deploy_system()
        economy = system.economy
        table = system.claim(TRUTH)
        game_id, opened = table.open(), boa.env.timestamp
        locked = economy.vault.locked_of(table.worker)
        deadline = economy.escrow.claim_of(table.claim_id).challenge_deadline
        while table.games[game_id].stage is not Stage.ENDED:
            boa.env.timestamp = compute_deadline(table.games[game_id])
            for caller in (table.worker, economy.challenger, economy.submitter):
                assert table.play(game_id, moves.Timeout(), caller) == "clock: not expired"
            is_late = boa.env.timestamp > deadline
            with boa.reverts("escrow: games open" if is_late else "escrow: window open"):
                economy.escrow.finalise(table.claim_id)
            with boa.reverts("escrow: not assigned"):
                economy.escrow.abandon(table.economy.escrow.task_count(), sender=table.worker)
            assert economy.vault.locked_of(table.worker) == locked
            system.step(table, game_id)
        assert boa.env.timestamp - opened <= system.contract.max_duration(120)
        boa.env.timestamp = max(boa.env.timestamp, deadline + 1)
        economy.escrow.finalise(table.claim_id)
        assert economy.vault.free_of(table.worker) == locked


ACTIONS = [*"claim lie open open late drop finalise withdraw repeat".split(), *["play"] * 12]


def test_any_order_of_calls__books_balance_and_everything_can_be_paid_out() -> None:
    """The real game instead of a stand-in; at the end no contract keeps anything."""
    met = Counter[str]()
    for seed in range(2):
        play_any_order(Random(seed), met)
    expected = "open late drop withdraw finalise WORKER_WON CHALLENGER_WON".split()
    refused = ["open refused", "finalise refused", "game: claim not slashed"]
    settled = [f"status {CLAIM_SLASHED}", f"status {CLAIM_FINALISED}"]
    assert {name for name in [*expected, *refused, *settled] if not met[name]} == set(), met


def play_any_order(random: Random, met: Counter[str]) -> None:
    with boa.env.anchor():
        system = deploy_system()
        economy, contract = system.economy, system.contract
        challengers = [boa.env.generate_address() for _ in range(4)]
        accounts = [*challengers, economy.worker, economy.submitter]

        def get_undecided():
            return [
                (table, game_id)
                for table in system.tables.values()
                for game_id, game in table.games.items()
                if game.stage is not Stage.ENDED
            ]

        def act(action: str) -> None:
            undecided = get_undecided()
            match action:
                case "claim" | "lie" if len(system.tables) < 8:
                    system.claim(TRUTH if action == "claim" else LIE)
                case "repeat" if len(system.tables) < 12:
                    tasks = range(1, economy.escrow.task_count() + 1)
                    open_ones = [t for t in tasks if economy.escrow.task_of(t).status == POSTED]
                    if not open_ones:
                        return
                    system.claim_task(random.choice(open_ones), random.choice([TRUTH, LIE]))
                case "open" if system.tables:
                    table = random.choice(list(system.tables.values()))
                    challenger = random.choice(challengers)
                    claim = economy.escrow.claim_of(table.claim_id)
                    known = contract.game_id_of(table.claim_id, challenger)
                    late = boa.env.timestamp > claim.challenge_deadline
                    if known or late or claim.status != CLAIM_PENDING:
                        economy.fund(challenger, BOND, contract)
                        with boa.reverts():
                            contract.open(table.claim_id, table.root, sender=challenger)
                        economy.token.burn(BOND, sender=challenger)
                        action = "open refused"
                    else:
                        table.open(challenger)
                case "play" if undecided:
                    table, game_id = random.choice(undecided)
                    game = table.games[game_id]
                    if game.claim_slashed or boa.env.timestamp > compute_deadline(game):
                        return
                    system.step(table, game_id)
                    if table.games[game_id].stage is Stage.ENDED:
                        action = table.games[game_id].outcome.name
                case "late" if undecided and random.randrange(3) == 0:
                    table, game_id = random.choice(undecided)
                    if table.games[game_id].claim_slashed:
                        return
                    pass_deadline(table, game_id)
                    assert table.play(game_id, moves.Timeout(), economy.submitter) == ""
                case "drop" if undecided:
                    table, game_id = random.choice(undecided)
                    refused = table.play(game_id, moves.Drop(), economy.submitter)
                    action = refused or action
                case "finalise" if system.tables:
                    claim_id = random.choice(list(system.tables))
                    claim = economy.escrow.claim_of(claim_id)
                    over = boa.env.timestamp > claim.challenge_deadline
                    if claim.status == CLAIM_PENDING and over and not claim.open_games:
                        economy.escrow.finalise(claim_id)
                    else:
                        with boa.reverts():
                            economy.escrow.finalise(claim_id)
                        action = "finalise refused"
                case "withdraw":
                    account = random.choice(accounts)
                    if contract.owed_to(account):
                        contract.withdraw(sender=account)
                case _:
                    return
            met[action] += 1

        for _ in range(220):
            act(random.choice(ACTIONS))
            system.check_books(accounts)
        for claim_id, table in system.tables.items():
            won = [g for g in table.games.values() if g.outcome is Outcome.CHALLENGER_WON]
            status = economy.escrow.claim_of(claim_id).status
            assert len(won) == (status == CLAIM_SLASHED)
            met[f"status {status}"] += 1

        # Everything ends, and everything is paid out.
        for table, game_id in get_undecided():
            if not table.games[game_id].claim_slashed:
                pass_deadline(table, game_id)
                assert table.play(game_id, moves.Timeout(), economy.submitter) == ""
        for table, game_id in get_undecided():
            assert table.play(game_id, moves.Drop(), economy.submitter) == ""
        boa.env.timestamp += 10**6
        for claim_id in system.tables:
            if economy.escrow.claim_of(claim_id).status == CLAIM_PENDING:
                economy.escrow.finalise(claim_id)
        for task_id in range(1, economy.escrow.task_count() + 1):
            if economy.escrow.task_of(task_id).status == POSTED:
                economy.escrow.expire(task_id)
        worker, payout = economy.worker, economy.registry.payout_of(economy.worker)
        for account in [*accounts, payout]:
            if contract.owed_to(account):
                contract.withdraw(sender=account)
            if economy.splitter.owed_to(account):
                economy.splitter.withdraw(account)
        free = economy.vault.free_of(worker)
        economy.vault.request_withdrawal(worker, free, sender=worker)
        boa.env.timestamp += 10**6
        economy.vault.withdraw(worker)
        for holder in (contract, economy.vault, economy.splitter, economy.escrow):
            assert economy.token.balanceOf(holder) == 0


@pytest.fixture(scope="module")
def hostile():
    """A token that calls an attacker, who is submitter, worker and challenger at once."""
    with boa.env.anchor():
        token = load("CallbackToken")
        attacker = load("Attacker")
        system = deploy_system(token)
        economy, contract = system.economy, system.contract

        def run(target, data: bytes) -> None:
            attacker.execute(target, data)

        me = attacker.address
        token.mint(me, 10**9)
        honest = system.claim(TRUTH)  # another worker's
        lost, dropped = honest.open(), honest.open(boa.env.generate_address())
        run(economy.vault, economy.vault.deposit.prepare_calldata(me, 1_000))
        run(economy.vault, economy.vault.request_withdrawal.prepare_calldata(me, 300))
        run(contract, contract.open.prepare_calldata(honest.claim_id, honest.root))
        # The attacker refutes a claim of the same worker, and so is owed a bond and an award.
        false = system.claim(LIE)
        run(contract, contract.open.prepare_calldata(false.claim_id, false.root))
        game_id = contract.game_count()
        boa.env.timestamp = contract.deadline_of(game_id) + 1
        contract.timeout(game_id)
        assert contract.owed_to(me) > 0 and economy.splitter.owed_to(me) > 0
        fresh = system.claim(TRUTH)
        late = fresh.open()
        boa.env.timestamp += 5_000
        yield system, attacker, honest, {"late": late, "lost": lost, "dropped": dropped}


def test_callback__in_the_middle_of_any_payment__takes_nothing(hostile) -> None:
    """Each call that moves tokens, with each call tried from within."""
    system, attacker, honest, games = hostile
    economy, contract, token = system.economy, system.contract, system.economy.token
    me = attacker.address
    vault, escrow, splitter = economy.vault, economy.escrow, economy.splitter
    fresh = system.claim(TRUTH)

    inner = {
        "game.withdraw": (contract, contract.withdraw.prepare_calldata()),
        "game.open": (contract, contract.open.prepare_calldata(fresh.claim_id, fresh.root)),
        "game.timeout": (contract, contract.timeout.prepare_calldata(games["late"])),
        "game.drop": (contract, contract.drop.prepare_calldata(games["dropped"])),
        "vault.withdraw": (vault, vault.withdraw.prepare_calldata(me)),
        "vault.deposit": (vault, vault.deposit.prepare_calldata(me, 7)),
        "vault.request": (vault, vault.request_withdrawal.prepare_calldata(me, 5)),
        "splitter.withdraw": (splitter, splitter.withdraw.prepare_calldata(me)),
        "escrow.finalise": (escrow, escrow.finalise.prepare_calldata(honest.claim_id)),
    }
    outer = {name: inner[name] for name in inner if name not in ("game.drop", "vault.request")}
    del outer["escrow.finalise"]  # games are open

    def get_wealth() -> int:
        owed = contract.owed_to(me) + splitter.owed_to(me)
        return token.balanceOf(me) + owed + vault.free_of(me) + vault.unbonding_of(me)

    met: Counter[str] = Counter()
    for name, (target, data) in outer.items():
        for within, (inner_target, inner_data) in inner.items():
            with boa.env.anchor():
                before = get_wealth()
                count = contract.game_count()
                token.set_hook(me)
                attacker.arm(inner_target, inner_data)
                attacker.execute(target, data)
                token.set_hook("0x" + "00" * 20)
                assert attacker.calls() > 0, name
                if target == inner_target:
                    assert attacker.successes() == 0, (name, within)
                met["inside" if attacker.successes() else "refused"] += 1
                # A bond in a game is still the attacker's.
                after = get_wealth() + (contract.game_count() - count) * BOND
                assert after == before, (name, within)
                assert token.balanceOf(contract) >= contract.total_held()
                assert token.balanceOf(vault) >= vault.total_staked()
                assert token.balanceOf(splitter) >= splitter.total_owed()
                assert token.balanceOf(escrow) >= escrow.total_escrowed()
    assert met["inside"] > 0 and met["refused"] > 0
