"""`crux conformance`."""

import click


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def conformance(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Whether this machine computes Crux's arithmetic, over all 2^32 inputs or a sample."""
    from offchain.kernels.conformance import main

    context.exit(main(list(arguments)))
