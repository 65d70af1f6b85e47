"""An agent in a process of its own that kills itself at chosen moments of sending."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ape

from offchain.agents.agent import Agent
from offchain.agents.auditor import Auditor
from offchain.agents.bench import Bench
from offchain.agents.challenger import Challenger
from offchain.agents.faults import build_lies
from offchain.agents.worker import Worker
from offchain.chain.client import Chain, load_abis
from offchain.chain.deployment import read_deployment
from offchain.chain.network import connect
from offchain.chain.sender import Sender
from offchain.store.artifacts import Store
from tests.small_run import LIE_STEP, MOMENT, PARAMETER

# This module is loaded once, in the process that all others are forked from: ape finds its
# plugins and the ABIs there.
ape.networks.get_network_choices()
load_abis()

AGENTS: dict[str, type[Worker | Challenger]] = {
    "worker": Worker,
    "challenger": Challenger,
    "auditor": Auditor,
}
BEFORE, AFTER = "before", "after"
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Job:
    """What the process is told."""

    role: str
    account: str
    url: str
    manifest: Path
    store: str
    folder: Path
    diary: Path  # of the deaths: one line each, written before dying
    lie: str | None = None  # of a worker


def read_diary(path: Path) -> set[str]:
    """The deaths so far."""
    return set(path.read_text().split("\n")) - {""} if path.exists() else set()


def get_kind(action: str) -> str:
    """The kind of a transaction: `game 3: reveal` is a reveal, `claim task 1` a claim."""
    return action.split(": ")[-1].split(" ")[0]


def run_agent(job: Job) -> None:
    """Run until killed: by its own hand once before and once after each kind of transaction."""
    broadcast = Sender._broadcast

    def die(moment: str, action: str) -> None:
        line = f"{job.role} {moment} {get_kind(action)}"
        if line in read_diary(job.diary):
            return
        with job.diary.open("a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.kill(os.getpid(), signal.SIGKILL)

    def broadcast_and_die(self: Sender, call: Any, fields: dict[str, Any]) -> Any:
        die(BEFORE, call.action)
        sent = broadcast(self, call, fields)
        die(AFTER, call.action)
        return sent

    Sender._broadcast = broadcast_and_die  # type: ignore[method-assign]
    lies = {lie.name: lie for lie in build_lies(LIE_STEP, PARAMETER, MOMENT, "matmul")}
    with connect(job.url) as network:
        signer = network.load_signer(job.account)
        chain = Chain.open(network, read_deployment(job.manifest), signer)
        bench = Bench(Store(job.store), job.folder, threads=1)
        if job.lie is not None:
            bench.build_strategy = lies[job.lie].build
        agent: Agent = AGENTS[job.role](chain, bench)
        agent.run(lambda: False, POLL_SECONDS)
