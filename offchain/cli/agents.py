"""`crux worker` and `crux challenger`."""

import logging
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.logging import RichHandler

from offchain.agents.agent import POLL_SECONDS, Agent
from offchain.agents.bench import Bench
from offchain.agents.challenger import Challenger
from offchain.agents.worker import Worker
from offchain.agents.worker_policy import WorkerPolicy
from offchain.chain.client import Chain
from offchain.cli.bars import show_steps
from offchain.cli.options import (
    HOME,
    account_option,
    network_options,
    open_chain,
    open_store,
    store_option,
)
from offchain.runner.plan import get_device


def agent_options(function: Any) -> Any:
    """What both agents are told."""
    for option in (
        network_options,
        account_option,
        store_option,
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 ..."),
        click.option("--threads", type=click.IntRange(1), help="CPU threads."),
        click.option(
            "--home",
            type=click.Path(file_okay=False, path_type=Path),
            default=HOME,
            show_default=True,
            help="Checkpoints lie here. It is cache: whatever is lost is computed again.",
        ),
        click.option(
            "--confirmations",
            type=click.IntRange(0),
            default=0,
            show_default=True,
            help="Blocks after which a block is believed.",
        ),
        click.option(
            "--poll",
            type=click.FloatRange(0.01),
            default=POLL_SECONDS,
            show_default=True,
            help="Seconds between two looks at the chain.",
        ),
        click.option("--once", is_flag=True, help="Do what is due now, then end."),
    ):
        function = option(function)
    return function


@click.command()
@agent_options
@click.option("--reward-min", default="0", show_default=True, help="Whole tokens.")
@click.option("--stake-max", help="Whole tokens; no limit by default.")
@click.option("--tasks-max", type=click.IntRange(1), default=1, show_default=True)
def worker(
    network: str,
    manifest: Path,
    account: str,
    store_url: str,
    device: str,
    threads: int | None,
    home: Path,
    confirmations: int,
    poll: float,
    once: bool,
    reward_min: str,
    stake_max: str | None,
    tasks_max: int,
) -> None:
    """Take tasks, train, claim, defend, collect. Can be stopped and started at any time."""
    with open_chain(network, manifest, account, confirmations) as chain, show_steps("train") as bar:
        bench = _open_bench(chain, store_url, home, device, threads, "worker")
        policy = WorkerPolicy(tasks_max=tasks_max, reward_min=chain.token.parse(reward_min))
        if stake_max is not None:
            policy = WorkerPolicy(
                reward_min=policy.reward_min,
                stake_max=chain.token.parse(stake_max),
                tasks_max=tasks_max,
            )
        _run(Worker(chain, bench, policy, bar), poll, once)


@click.command()
@agent_options
def challenger(
    network: str,
    manifest: Path,
    account: str,
    store_url: str,
    device: str,
    threads: int | None,
    home: Path,
    confirmations: int,
    poll: float,
    once: bool,
) -> None:
    """Execute claims again and play down those that are false."""
    with open_chain(network, manifest, account, confirmations) as chain, show_steps("check") as bar:
        bench = _open_bench(chain, store_url, home, device, threads, "challenger")
        _run(Challenger(chain, bench, bar), poll, once)


def _open_bench(
    chain: Chain, store_url: str, home: Path, device: str, threads: int | None, role: str
) -> Bench:
    get_device(device)
    # By account: two agents of one machine must not write to one folder.
    folder = home / "runs" / f"{role}-{chain.access.address}"
    return Bench(open_store(store_url), folder, device, threads)


def _run(agent: Agent, poll: float, once: bool) -> None:
    handler = RichHandler(console=Console(stderr=True), show_path=False)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
    for noisy in ("web3", "urllib3", "asyncio", "ape"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    agent.chain.access.on_receipt = lambda receipt: logging.info(
        "%s (%s gas)", receipt.action, f"{receipt.gas_used:,}"
    )
    if once:
        while agent.tick():
            pass
        return
    try:
        agent.run(lambda: False, poll)
    except KeyboardInterrupt:
        click.echo("stopped; start it again to go on", err=True)
