"""`crux deploy`."""

from pathlib import Path

import click

from offchain.chain.client import Chain
from offchain.chain.deployment import PRESETS, deploy
from offchain.chain.network import Network, connect
from offchain.chain.records import Address
from offchain.cli.options import account_option, network_options


@click.command("deploy")
@network_options
@account_option
@click.option("--token", help="ERC-20 for rewards, stakes and bonds; a test token by default.")
@click.option("--preset", type=click.Choice(sorted(PRESETS)), default="default", show_default=True)
@click.option(
    "--fund", "funds", multiple=True, metavar="ACCOUNT=AMOUNT", help="Whole test tokens to mint."
)
def deploy_command(
    network: str,
    manifest: Path,
    account: str,
    token: str | None,
    preset: str,
    funds: tuple[str, ...],
) -> None:
    """Create all contracts and write the manifest. There is no owner and no upgrade."""
    if manifest.exists():
        raise click.UsageError(f"{manifest}: exists; name another file with --manifest")
    if funds and token is not None:
        raise click.UsageError("--fund mints the test token, but --token names another")
    with connect(network) as connected:
        accounts = [_parse_fund(connected, text) for text in funds]
        signer = connected.load_signer(account)
        deployment = deploy(signer.account, PRESETS[preset], token)  # type: ignore[attr-defined]
        deployment.write(manifest)
        chain = Chain.open(connected, deployment, signer)
        for address, amount in accounts:
            chain.token.mint(address, chain.token.parse(amount))
    click.echo(f"token           {deployment.token}")
    for name, address in deployment.addresses.items():
        click.echo(f"{name:<15} {address}")
    click.echo(f"manifest        {manifest}")


def _parse_fund(network: Network, text: str) -> tuple[Address, str]:
    """(address, amount); the account is one that --account would take."""
    account, _, amount = text.rpartition("=")
    if not account or not amount.replace(".", "", 1).isdecimal():
        raise click.BadParameter(f"{text!r}: expected ACCOUNT=AMOUNT", param_hint="--fund")
    return Address(network.load_signer(account).address), amount
