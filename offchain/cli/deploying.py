"""`crux deploy`."""

from pathlib import Path

import click

from offchain.chain.client import Chain
from offchain.chain.deployment import check_network, deploy, wait_until_final
from offchain.chain.network import Network, connect
from offchain.chain.parameters import compute_warnings, list_configurations, read_configuration
from offchain.chain.records import Address
from offchain.cli.options import account_option, network_options


@click.command("deploy")
@network_options
@account_option
@click.option("--token", help="ERC-20 for rewards, stakes and bonds; a test token by default.")
@click.option(
    "--parameters",
    "source",
    default="local",
    show_default=True,
    metavar="NAME|FILE",
    help=f"What the contracts fix for good: {', '.join(list_configurations())}, or a file.",
)
@click.option(
    "--fund", "funds", multiple=True, metavar="ACCOUNT=AMOUNT", help="Whole test tokens to mint."
)
def deploy_command(
    network: str,
    manifest: Path,
    account: str,
    token: str | None,
    source: str,
    funds: tuple[str, ...],
) -> None:
    """Create all contracts and write the manifest. There is no owner and no upgrade."""
    check_manifest_is_new(manifest)
    if funds and token is not None:
        raise click.UsageError("--fund mints the test token, but --token names another")
    configuration = read_configuration(source)
    for warning in compute_warnings(configuration):
        click.echo(f"warning: {warning}", err=True)
    with connect(network) as connected:
        # Before the account is unlocked.
        check_network(connected.web3, configuration)
        accounts = [_parse_fund(connected, text) for text in funds]
        signer = connected.load_signer(account)
        deployment = deploy(
            signer.account,  # type: ignore[attr-defined]
            configuration,
            token,
            on_created=tell_created,
        )
        deployment.write(manifest)
        click.echo(f"{'manifest':<16} {manifest}")
        click.echo(f"waiting for {configuration.confirmations} confirmations")
        wait_until_final(connected.web3, deployment)
        if accounts:
            chain = Chain.open(connected, deployment, signer)
            for address, amount in accounts:
                chain.token.mint(address, chain.token.parse(amount))


def check_manifest_is_new(manifest: Path) -> None:
    """Raises UsageError: a manifest is all that tells where a deployment is."""
    if manifest.exists():
        raise click.UsageError(f"{manifest}: exists; name another file with --manifest")


def tell_created(name: str, address: Address) -> None:
    """One line as soon as a contract is there."""
    click.echo(f"{name:<16} {address}")


def _parse_fund(network: Network, text: str) -> tuple[Address, str]:
    """(address, amount); the account is one that --account would take."""
    account, _, amount = text.rpartition("=")
    if not account or not amount.replace(".", "", 1).isdecimal():
        raise click.BadParameter(f"{text!r}: expected ACCOUNT=AMOUNT", param_hint="--fund")
    return Address(network.load_signer(account).address), amount
