"""`crux register`, `crux nodes`, `crux stake` and `crux withdraw`."""

import re
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from offchain.chain.client import Chain
from offchain.chain.records import Address, check_address
from offchain.chain.registry import NO_ROLE, Role, build_node, is_registered
from offchain.cli.options import (
    account_option,
    json_option,
    network_options,
    open_chain,
    print_json,
)

ROLES = {role.words: role for role in Role}
NO_DIGEST = bytes(32)


class AddressType(click.ParamType):
    """An account's address."""

    name = "address"

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> Address:
        """Checksummed."""
        if not re.fullmatch("0x[0-9a-fA-F]{40}", value):
            self.fail(f"{value!r}: expected 0x and 40 hexadecimal digits", parameter, context)
        return check_address(value)


ADDRESS = AddressType()
for_option = click.option(
    "--for", "beneficiary", type=ADDRESS, help="Another account than the one that sends."
)


@click.command()
@network_options
@account_option
@click.option("--role", "roles", multiple=True, type=click.Choice(list(ROLES)), help="Both, twice.")
@click.option("--retire", is_flag=True, help="Give up all roles.")
@click.option(
    "--for", "node", type=ADDRESS, help="With --retire: a node whose payout sends this; for good."
)
@click.option("--payout", type=ADDRESS, help="Where what the node earns goes; not its own account.")
@click.option("--hardware", default="cpu", show_default=True, help="Up to 32 bytes: cpu, h200 ...")
@click.option("--conformance", help="64 hexadecimal digits that `crux conformance` prints.")
@click.option("--uri", default="", help="More about the node, up to 256 bytes.")
def register(
    network: str,
    manifest: Path,
    account: str,
    roles: tuple[str, ...],
    retire: bool,
    node: Address | None,
    payout: Address | None,
    hardware: str,
    conformance: str | None,
    uri: str,
) -> None:
    """Say that this account works or audits, on what, and where its money goes."""
    if retire == bool(roles):
        raise click.UsageError("name --role worker, --role auditor or both; or --retire")
    if node is not None:
        if not retire:
            raise click.UsageError("--for needs --retire: a node registers itself")
        with open_chain(network, manifest, account) as chain:
            chain.registry.retire(node)
        click.echo(f"{node}: retired for good; its stake leaves when its tasks and audits end")
        return
    digest = _parse_digest(conformance)
    with open_chain(network, manifest, account) as chain:
        known = chain.registry.get_node(chain.access.address)
        if payout is None:
            if not is_registered(known):
                raise click.UsageError("--payout is needed the first time")
            payout = known.payout
        role = NO_ROLE
        for name in roles:
            role |= ROLES[name]
        chain.registry.register(build_node(role, hardware, digest, payout, uri))
    words = "retired" if retire else f"registered as {role.words}"
    click.echo(f"{chain.access.address}: {words}, paid to {payout}")


@click.command()
@network_options
@json_option
def nodes(network: str, manifest: Path, as_json: bool) -> None:
    """Who works and audits, and how their leases ended."""
    with open_chain(network, manifest) as chain:
        rows = [_describe(chain, account) for account in chain.registry.get_accounts()]
        if as_json:
            print_json(rows)
            return
        columns = ("node", "roles", "hardware", "payout", "finalised", "lost", "abandoned")
        table = Table(*columns, "stake", "audit stake", box=None)
        for row in rows:
            counters = (str(row[name]) for name in ("finalised", "lost", "abandoned"))
            stakes = (chain.token.format(row[name]) for name in ("stake", "audit_stake"))
            names = (row["node"], row["roles"], row["hardware"], row["payout"])
            table.add_row(*names, *counters, *stakes)
        Console().print(table)


@click.command()
@click.argument("amount", required=False)
@network_options
@account_option
@for_option
@click.option("--audits", is_flag=True, help="Lock it for audits; for the account that sends.")
@click.option("--leave", is_flag=True, help="Release what is locked for audits.")
def stake(
    amount: str | None,
    network: str,
    manifest: Path,
    account: str,
    beneficiary: Address | None,
    audits: bool,
    leave: bool,
) -> None:
    """Deposit AMOUNT whole tokens of stake; without one, show what is there.

    A node's payout can take the node's stake out: `--leave --for NODE`, then `crux withdraw`.
    """
    if audits and (amount is None or beneficiary is not None):
        raise click.UsageError("--audits needs an amount, and locks it for the account that sends")
    with open_chain(network, manifest, account) as chain:
        owner = beneficiary or chain.access.address
        if leave:
            chain.lottery.leave(owner)
        if amount is not None:
            wei = chain.token.parse(amount)
            missing = wei - chain.vault.get_free(owner) if audits else wei
            if missing > 0:
                chain.token.check_balance("account", chain.access.address, missing)
                chain.token.ensure_allowance(chain.vault.address, missing)
                chain.vault.deposit(owner, missing)
            if audits:
                chain.lottery.join(wei)
        unbonding, ready_at = chain.vault.get_unbonding(owner)
        for name, value in (
            ("free", chain.vault.get_free(owner)),
            ("locked", chain.vault.get_locked(owner)),
            ("of it for audits", chain.lottery.get_stake(owner)),
            (f"unbonding until {ready_at}" if unbonding else "unbonding", unbonding),
        ):
            click.echo(f"{name:<28} {chain.token.format(value)}")


@click.command()
@network_options
@account_option
@for_option
@click.option("--stake", "amount", help="Whole tokens of free stake to take out; 'all' for all.")
def withdraw(
    network: str, manifest: Path, account: str, beneficiary: Address | None, amount: str | None
) -> None:
    """Pay out rewards, fees and awards, returned bonds, and stake that is ready.

    What a node earned and staked goes to its payout, whoever calls.
    """
    with open_chain(network, manifest, account) as chain:
        owner = beneficiary or chain.access.address
        paid = False
        for payee in dict.fromkeys((owner, chain.registry.get_payout(owner))):
            if owed := chain.splitter.get_owed(payee):
                chain.splitter.withdraw(payee)
                click.echo(f"{chain.token.format(owed)} of rewards to {payee}")
                paid = True
        if owner == chain.access.address and (owed := chain.games.get_owed(owner)):
            chain.games.withdraw()
            click.echo(f"{chain.token.format(owed)} of bonds to {owner}")
            paid = True
        if amount is not None:
            free = chain.vault.get_free(owner)
            chain.vault.request_withdrawal(
                owner, free if amount == "all" else chain.token.parse(amount)
            )
        unbonding, ready_at = chain.vault.get_unbonding(owner)
        if unbonding and ready_at <= chain.access.time:
            chain.vault.withdraw(owner)
            click.echo(f"{chain.token.format(unbonding)} of stake to its payout")
        elif unbonding:
            left = ready_at - chain.access.time
            click.echo(f"{chain.token.format(unbonding)} of stake is ready in {left} s")
        elif not paid:
            click.echo("nothing is owed")


def _describe(chain: Chain, account: Address) -> dict[str, Any]:
    node, record = chain.registry.get_node(account), chain.registry.get_record(account)
    return {
        "node": account,
        "roles": node.roles.words,
        "hardware": node.hardware,
        "conformance_digest": node.conformance_digest,
        "payout": node.payout,
        "metadata_uri": node.metadata_uri,
        "finalised": record.finalised,
        "lost": record.lost,
        "abandoned": record.abandoned,
        "stake": chain.vault.get_free(account) + chain.vault.get_locked(account),
        "audit_stake": chain.lottery.get_stake(account),
    }


def _parse_digest(text: str | None) -> bytes:
    if text is None:
        return NO_DIGEST
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise click.BadParameter(
            f"{text!r}: expected 64 hexadecimal digits", param_hint="--conformance"
        )
    return bytes.fromhex(text)
