"""`crux worker`, `crux challenger` and `crux auditor`."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.logging import RichHandler

from offchain.agents.agent import POLL_SECONDS, Agent
from offchain.agents.auditor import Auditor
from offchain.agents.auditor_policy import AuditorPolicy
from offchain.agents.bench import Bench
from offchain.agents.challenger import Challenger
from offchain.agents.worker import Worker
from offchain.agents.worker_policy import WorkerPolicy
from offchain.chain.client import Chain
from offchain.chain.records import AMOUNT_MAX
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
from offchain.runner.training import Progress
from protocol.types import Wei

Build = Callable[[Chain, Bench, Progress], Agent]


@dataclass(frozen=True)
class Setting:
    """What every agent is told."""

    network: str
    manifest: Path
    account: str
    store_url: str
    device: str
    threads: int | None
    home: Path
    confirmations: int | None
    poll: float
    once: bool

    def run(self, role: str, title: str, build: Build) -> None:
        """Run the agent until it is stopped, or until nothing is due.

        Raises `NotRegistered` before anything else is done.
        """
        get_device(self.device)
        with (
            open_chain(self.network, self.manifest, self.account, self.confirmations) as chain,
            show_steps(title) as bar,
        ):
            # By account: two agents of one machine must not write to one folder.
            folder = self.home / "runs" / f"{role}-{chain.access.address}"
            bench = Bench(open_store(self.store_url), folder, self.device, self.threads)
            agent = build(chain, bench, bar)
            agent.check_registered()
            _run(agent, self.poll, self.once)


def agent_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of every agent, given to the command as one `Setting`."""

    @wraps(function)
    def command(**values: Any) -> None:
        shared = {field.name: values.pop(field.name) for field in fields(Setting)}
        function(Setting(**shared), **values)

    decorated: Callable[..., None] = command
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
            help="Blocks after which a block is believed; the deployment's by default.",
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
        decorated = option(decorated)
    return decorated


@click.command()
@agent_options
@click.option(
    "--reward-min", default="0", show_default=True, help="Whole tokens, of what is left to you."
)
@click.option("--stake-max", help="Whole tokens; no limit by default.")
@click.option("--tasks-max", type=click.IntRange(1), default=1, show_default=True)
def worker(setting: Setting, reward_min: str, stake_max: str | None, tasks_max: int) -> None:
    """Take tasks, train, claim, serve audits, defend, collect. Can be stopped at any time."""

    def build(chain: Chain, bench: Bench, progress: Progress) -> Agent:
        limit = Wei(AMOUNT_MAX) if stake_max is None else chain.token.parse(stake_max)
        policy = WorkerPolicy(chain.token.parse(reward_min), limit, tasks_max=tasks_max)
        return Worker(chain, bench, policy, progress)

    setting.run("worker", "train", build)


@click.command()
@agent_options
def challenger(setting: Setting) -> None:
    """Execute claims again and play down those that are false."""
    setting.run("challenger", "check", Challenger)


@click.command()
@agent_options
@click.option("--stake", help="Whole tokens to audit with, where nothing is staked yet.")
def auditor(setting: Setting, stake: str | None) -> None:
    """Execute the parts of claims that the lottery draws, attest results, collect the fees."""

    def build(chain: Chain, bench: Bench, progress: Progress) -> Agent:
        policy = AuditorPolicy(None if stake is None else chain.token.parse(stake))
        return Auditor(chain, bench, policy, progress)

    setting.run("auditor", "audit", build)


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
