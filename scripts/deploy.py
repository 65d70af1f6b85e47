"""Deploy all contracts: ape run deploy --network ... --account ... --parameters sepolia."""

import os
from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand, account_option

from offchain.chain.deployment import check_network, deploy, wait_until_final
from offchain.chain.errors import ChainError
from offchain.chain.network import PASSPHRASE_VARIABLE
from offchain.chain.parameters import compute_warnings, list_configurations, read_configuration
from offchain.cli.deploying import check_manifest_is_new, tell_created


@click.command(cls=ConnectedProviderCommand)
@account_option()
@click.option("--token", help="ERC-20 for rewards, stakes and bonds; a test token by default.")
@click.option(
    "--parameters",
    "source",
    required=True,
    metavar="NAME|FILE",
    help=f"What the contracts fix for good: {', '.join(list_configurations())}, or a file.",
)
@click.option(
    "--manifest",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(".crux/deployment.json"),
    show_default=True,
    help="Where to write addresses, parameters and hashes of the code.",
)
def cli(provider: Any, account: Any, token: str | None, source: str, manifest: Path) -> None:
    """Deploy Crux from one account and write the manifest."""
    check_manifest_is_new(manifest)
    try:
        configuration = read_configuration(source)
        for warning in compute_warnings(configuration):
            click.echo(f"warning: {warning}", err=True)
        check_network(provider.web3, configuration)
        if passphrase := os.environ.get(PASSPHRASE_VARIABLE):
            account.set_autosign(True, passphrase=passphrase)
        deployment = deploy(account, configuration, token, on_created=tell_created)
        deployment.write(manifest)
        click.echo(f"{'manifest':<16} {manifest}")
        click.echo(f"waiting for {configuration.confirmations} confirmations")
        wait_until_final(provider.web3, deployment)
    except ChainError as error:
        raise click.ClickException(str(error)) from error
