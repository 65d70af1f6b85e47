"""Deploy all contracts: ape run deploy --network ... --account ... [--token ...]."""

from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand, account_option

from offchain.chain.deployment import PRESETS, deploy
from offchain.chain.errors import ChainError


@click.command(cls=ConnectedProviderCommand)
@account_option()
@click.option("--token", help="ERC-20 for rewards, stakes and bonds; a test token by default.")
@click.option("--preset", type=click.Choice(sorted(PRESETS)), default="default", show_default=True)
@click.option(
    "--manifest",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(".crux/deployment.json"),
    show_default=True,
    help="Where to write chain id, addresses and parameters.",
)
def cli(account: Any, token: str | None, preset: str, manifest: Path) -> None:
    """Deploy Crux from one account and write the manifest."""
    try:
        deployment = deploy(account, PRESETS[preset], token)
        deployment.write(manifest)
    except ChainError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"token           {deployment.token}")
    for name, address in deployment.addresses.items():
        click.echo(f"{name:<15} {address}")
    click.echo(f"manifest        {manifest}")
