"""`crux submit`."""

import secrets
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from offchain.chain.beacon import SubmitterBeacon
from offchain.chain.client import Chain
from offchain.chain.errors import ChainError
from offchain.chain.manifest import read_deployment
from offchain.chain.parameters import Parameters
from offchain.chain.records import Offer, Share, Terms, check_address
from offchain.chain.token import Token
from offchain.cli.options import (
    DURATION,
    account_option,
    choose_segments,
    json_option,
    network_options,
    open_chain,
    open_store,
    parse_seed,
    print_json,
    spec_argument,
    steps_options,
    store_option,
)
from offchain.offers import Wishes, build_offer, check_offer, compute_audit_fee
from offchain.spec import Spec, read_spec
from protocol.pricing import Minimums
from protocol.types import Seconds, Seed
from protocol.validation import validate, validate_task


@click.command()
@spec_argument
@network_options
@account_option
@store_option
@json_option
@steps_options
@click.option("--seed", help="64 hexadecimal digits; random by default.")
@click.option("--reward", help="Whole tokens; fixed.")
@click.option("--min-reward", help="Whole tokens; where the auction begins.")
@click.option("--max-reward", help="Whole tokens; where the auction ends, and what is escrowed.")
@click.option("--auction", type=DURATION, help="From the least to the largest reward; 1h.")
@click.option("--audit-budget", default="0", show_default=True, help="Whole tokens, escrowed too.")
@click.option(
    "--attestations",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="By auditors, that the result can be had; yours settles it alone.",
)
@click.option("--stake", help="Whole tokens that the worker puts at risk; the least by default.")
@click.option("--bond", help="Whole tokens that a challenger puts at risk; the least by default.")
@click.option("--lease", type=DURATION, help="From assignment to claim; 1d, or the longest.")
@click.option("--heartbeat", type=DURATION, help="Between two signs of progress.")
@click.option("--expiry", type=DURATION, help="From now; after it nobody starts; 7d.")
@click.option("--reexecution", type=DURATION, help="For one segment, in a game; the least.")
@click.option("--share", "shares", multiple=True, help="ADDRESS:BASIS_POINTS of the reward.")
def submit(
    spec_path: Path,
    network: str,
    manifest: Path,
    account: str,
    store_url: str,
    as_json: bool,
    steps: int,
    segments: int | None,
    seed: str | None,
    reexecution: int | None,
    shares: tuple[str, ...],
    **wishes: Any,
) -> None:
    """Post the task that `crux compile` prepared, and escrow its reward and audit budget."""
    spec = read_spec(spec_path)
    count = choose_segments(steps, segments)
    chosen_seed = Seed(secrets.token_bytes(32)) if seed is None else parse_seed(seed)
    split = [_parse_share(text) for text in shares]
    rewards = _choose_rewards(wishes.pop("reward"), wishes["min_reward"], wishes["max_reward"])
    # Nobody could work on it otherwise: everything is there and fits the terms.
    program = open_store(store_url).get_program(spec.program_root)
    validate_task(program, spec.records, count, steps // count)
    operations = validate(program).operations
    terms = _build_terms(spec, chosen_seed, count, steps // count, operations)
    parameters = read_deployment(manifest).parameters
    with open_chain(network, manifest, account) as chain:
        minimums = chain.escrow.get_minimums(terms)
        least = minimums.reexecution_seconds
        terms = replace(
            terms, reexecution_seconds=least if reexecution is None else Seconds(reexecution)
        )
        wishes |= dict(zip(("min_reward", "max_reward"), rewards))
        now = chain.access.time
        offer = build_offer(_parse(chain.token, wishes), terms, minimums, parameters, now)
        check_offer(terms, offer, split, minimums, parameters, now)
        chain.token.check_balance("submitter", chain.access.address, offer.escrowed)
        if not as_json:
            show_prices(chain.token, terms, offer, minimums, parameters)
        chain.token.ensure_allowance(chain.escrow.address, offer.escrowed)
        task_id, receipt = chain.escrow.post(terms, offer, split)
        commit_to_beacon(chain, task_id, offer)
        if as_json:
            posted = {"task": task_id, "transaction": receipt.transaction}
            operations_named = {"step_operations": operations, "minimums": asdict(minimums)}
            print_json({**posted, **operations_named, "offer": asdict(offer)})
        else:
            click.echo(f"task {task_id}: posted, {chain.token.format(offer.escrowed)} escrowed")


def commit_to_beacon(chain: Chain, task_id: Any, offer: Offer) -> None:
    """Where seeds come from the submitter's secret: commit to it before there is a claim."""
    if offer.audit_budget and isinstance(chain.beacon, SubmitterBeacon):
        chain.beacon.commit(chain.escrow.get_task(task_id))


def show_prices(
    token: Token, terms: Terms, offer: Offer, minimums: Minimums, parameters: Parameters
) -> None:
    """What follows from the program, and what was chosen."""
    table = Table("", "", "least", box=None)
    table.add_row("operations of a step", f"{terms.step_operations:,}", "")
    table.add_row("of the run", f"{terms.step_operations * terms.steps:,}", "")
    reward = token.format(offer.min_reward)
    if offer.max_reward != offer.min_reward:
        reward += f" to {token.format(offer.max_reward)} in {offer.auction_seconds} s"
    table.add_row("reward", reward, "")
    if offer.audit_budget:
        fee = token.format(compute_audit_fee(offer, parameters))
        table.add_row("audit budget", f"{token.format(offer.audit_budget)}, {fee} an audit", "")
    table.add_row("attestations", str(offer.attestations), "")
    table.add_row("stake", token.format(offer.stake), token.format(minimums.stake))
    table.add_row("bond", token.format(offer.bond), token.format(minimums.bond))
    given, least = terms.reexecution_seconds, minimums.reexecution_seconds
    table.add_row("re-execution of a segment", f"{given} s", f"{least} s")
    table.add_row("lease, heartbeat", f"{offer.lease_seconds} s, {offer.heartbeat_seconds} s", "")
    Console(stderr=True).print(table)


def _build_terms(spec: Spec, seed: Seed, segments: int, length: int, operations: int) -> Terms:
    roots = (spec.program_root, spec.genesis_root, spec.dataset_root)
    return Terms(*roots, seed, spec.records, segments, length, Seconds(0), operations)


def _choose_rewards(fixed: str | None, low: str | None, high: str | None) -> tuple[str, str]:
    """(least, largest). Raises `click.UsageError` unless one way to say it is complete."""
    if fixed is not None and low is None and high is None:
        return fixed, fixed
    if fixed is None and low is not None and high is not None:
        return low, high
    raise click.UsageError("name either --reward, or --min-reward and --max-reward")


def _parse(token: Token, wishes: dict[str, Any]) -> Wishes:
    """Options as the protocol counts: amounts in the token's smallest unit."""
    names = {"auction": "auction_seconds", "lease": "lease_seconds"}
    names |= {"heartbeat": "heartbeat_seconds", "expiry": "expiry_seconds"}
    amounts = ("min_reward", "max_reward", "audit_budget", "stake", "bond")
    values = {names.get(name, name): value for name, value in wishes.items()}
    for name in amounts:
        if values[name] is not None:
            values[name] = token.parse(values[name])
    return Wishes(**values)


def _parse_share(text: str) -> Share:
    address, _, points = text.partition(":")
    try:
        return Share(check_address(address), int(points))
    except (ChainError, ValueError):
        raise click.BadParameter(
            f"{text!r}: expected ADDRESS:BASIS_POINTS", param_hint="--share"
        ) from None
