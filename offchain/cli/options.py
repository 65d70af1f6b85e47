"""Options that several verbs share, and what they open."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from offchain.chain.client import Chain
from offchain.chain.manifest import read_deployment
from offchain.chain.network import connect
from offchain.store.artifacts import Store
from protocol.types import Seed

F = TypeVar("F", bound=Callable[..., Any])

HOME = Path(".crux")
# Odd: of an odd number audits leave out one segment, of an even number two.
DEFAULT_SEGMENTS = (9, 7, 5, 3, 8, 4, 2, 1)
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Duration(click.ParamType):
    """A number of seconds, or of another unit: 90s, 30m, 1.5h, 7d."""

    name = "duration"

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> int:
        """Whole seconds."""
        if isinstance(value, int):
            return value
        unit = UNITS.get(value[-1:], 1)
        number = value[:-1] if value[-1:] in UNITS else value
        if not number.replace(".", "", 1).isdecimal() or len(number) > 20:
            self.fail(f"{value!r}: expected 90s, 30m, 1.5h, 7d ...", parameter, context)
        return int(float(number) * unit)


DURATION = Duration()


def network_options(function: F) -> F:
    """--network and --manifest."""
    for option in (
        click.option(
            "--manifest",
            type=click.Path(dir_okay=False, path_type=Path),
            default=HOME / "deployment.json",
            show_default=True,
            envvar="CRUX_MANIFEST",
            help="The deployment, as `crux deploy` wrote it.",
        ),
        click.option(
            "--network",
            default="http://127.0.0.1:8545",
            show_default=True,
            envvar="CRUX_NETWORK",
            help="RPC address, or a network of ape's such as ethereum:sepolia:node.",
        ),
    ):
        function = option(function)
    return function


def account_option(function: F) -> F:
    """--account."""
    option = click.option(
        "--account",
        required=True,
        envvar="CRUX_ACCOUNT",
        help="Alias of an ape account; on development chains also test:0, test:1 ...",
    )
    return option(function)


def store_option(function: F) -> F:
    """--store."""
    option = click.option(
        "--store",
        "store_url",
        default=str(HOME / "store"),
        show_default=True,
        envvar="CRUX_STORE",
        help="Folder or URL (s3, gcs, ipfs ...) of the artifacts.",
    )
    return option(function)


def spec_argument(function: F) -> F:
    """The file that `crux compile` wrote."""
    argument = click.argument(
        "spec_path",
        type=click.Path(dir_okay=False, path_type=Path),
        default=HOME / "task.json",
    )
    return argument(function)


def steps_options(function: F) -> F:
    """--steps and --segments."""
    for option in (
        click.option(
            "--segments",
            type=click.IntRange(1),
            help="Committed states; must divide the steps. By default the first of "
            f"{', '.join(map(str, DEFAULT_SEGMENTS))} that does.",
        ),
        click.option("--steps", type=click.IntRange(1), required=True, help="Of the whole run."),
    ):
        function = option(function)
    return function


def choose_segments(steps: int, segments: int | None) -> int:
    """How many segments the steps have. Raises click.UsageError where they do not divide them."""
    count = segments or next(n for n in DEFAULT_SEGMENTS if steps % n == 0)
    if steps % count:
        raise click.UsageError(f"{count} segments do not divide {steps} steps")
    return count


def parse_seed(text: str) -> Seed:
    """A sampler's seed. Raises click.BadParameter."""
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise click.BadParameter(f"{text!r}: expected 64 hexadecimal digits", param_hint="--seed")
    return Seed(bytes.fromhex(text))


def json_option(function: F) -> F:
    """--json."""
    option = click.option("--json", "as_json", is_flag=True, help="For programs to read.")
    return option(function)


@contextmanager
def open_chain(
    network: str, manifest: Path, account: str | None = None, confirmations: int | None = 0
) -> Iterator[Chain]:
    """A client of the deployment; None confirmations are as many as it was configured for.

    Raises ChainError.
    """
    # First: a wrong file needs no network.
    deployment = read_deployment(manifest)
    if confirmations is None:
        confirmations = deployment.configuration.confirmations
    with connect(network) as connected:
        signer = connected.load_signer(account) if account is not None else None
        yield Chain.open(connected, deployment, signer, confirmations=confirmations)


def open_store(url: str) -> Store:
    """The store at that folder or URL. Raises StoreError."""
    return Store(url)


def print_json(document: Any) -> None:
    """One JSON document on standard output; bytes as hexadecimal digits."""
    click.echo(json.dumps(document, default=_encode, indent=2))


def _encode(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} in JSON")
