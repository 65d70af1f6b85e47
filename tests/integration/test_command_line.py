"""The whole way of a task by the `crux` command, on ape's chain."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from offchain.chain.anvil import pass_time
from offchain.cli import main
from tests.small_run import CONTEXT

GPT = Path(__file__).parents[2] / "examples" / "gpt.py"
SMALL = ("--set", "layers=1", "--set", "channels=8", "--set", "heads=2")


class Terminal:
    """One user's terminal in one folder."""

    def __init__(self, url: str, folder: Path):
        self.environment = {
            "CRUX_NETWORK": url,
            "CRUX_MANIFEST": str(folder / "deployment.json"),
            "CRUX_STORE": str(folder / "store"),
        }
        self.folder = folder

    def run(self, *arguments: str) -> Result:
        return CliRunner(mix_stderr=False).invoke(main, list(arguments), env=self.environment)

    def run_agent(self, role: str, account: str) -> Result:
        return self.run(role, "--account", account, "--once", "--home", str(self.folder / role))


@pytest.fixture
def terminal(chain, tmp_path) -> Terminal:
    terminal = Terminal(chain.provider.http_uri, tmp_path)
    funds = [part for n in range(3) for part in ("--fund", f"test:{n}=100")]
    result = terminal.run("deploy", "--account", "test:0", "--parameters", "local", *funds)
    assert result.exit_code == 0, result.output
    return terminal


def submit(terminal: Terminal) -> Result:
    data, spec = terminal.folder / "data.txt", str(terminal.folder / "task.json")
    data.write_text("the quick brown fox jumps over the lazy dog " * 20)
    compiled = terminal.run(
        *("compile", f"{GPT}:build", "--data", str(data), "--out", spec),
        *("--rows", "2", "--seq", str(CONTEXT), *SMALL),
    )
    assert compiled.exit_code == 0, compiled.output
    return terminal.run(
        *("submit", spec, "--account", "test:0", "--steps", "4", "--segments", "2"),
        *("--reward", "5", "--stake", "1", "--json"),
    )


def test_crux__compile_submit_work_check_fetch(terminal, chain):
    posted = submit(terminal)
    assert json.loads(posted.stdout)["task"] == 1
    assert terminal.run_agent("worker", "test:1").exit_code == 0
    claimed = json.loads(terminal.run("status", "1", "--json").stdout)
    assert (claimed["status"], claimed["claim"]["status"]) == ("claimed", "pending")

    assert terminal.run_agent("challenger", "test:2").exit_code == 0
    assert json.loads(terminal.run("disputes", "list", "--json").stdout) == []
    weights = terminal.folder / "weights.safetensors"
    early = terminal.run("fetch", "1", "--out", str(weights))
    assert early.exit_code == 1 and "task 1: is claimed" in early.stderr
    assert not weights.exists()

    pass_time(chain.provider.web3, claimed["claim"]["challenge_deadline"])
    assert terminal.run_agent("worker", "test:1").exit_code == 0
    assert json.loads(terminal.run("status", "--json").stdout)[0]["status"] == "finalised"
    fetched = terminal.run("fetch", "1", "--out", str(weights))
    assert fetched.exit_code == 0 and weights.exists()


def test_submit__too_little_money__says_so_and_posts_nothing(terminal):
    assert submit(terminal).exit_code == 0
    spec = str(terminal.folder / "task.json")
    result = terminal.run(
        *("submit", spec, "--account", "test:0", "--steps", "4"),
        *("--reward", "1000", "--stake", "1"),
    )
    assert result.exit_code == 1
    assert "missing funds: submitter 0x" in result.stderr
    assert "has 95 CRUX, needs 1,000 CRUX" in result.stderr
    assert len(json.loads(terminal.run("status", "--json").stdout)) == 1


def test_disputes_show__no_such_game__names_the_reason(terminal):
    result = terminal.run("disputes", "show", "7")
    assert result.exit_code == 1 and "game: unknown game" in result.stderr
