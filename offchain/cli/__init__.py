"""The `crux` command. Each verb is a module; it is loaded when it is called."""

import os
import sys
import warnings
from importlib import import_module
from pathlib import Path

import click

# Verb -> where its command is.
COMMANDS = {
    "compile": "offchain.cli.compiling:compile_command",
    "train": "offchain.cli.training:train_command",
    "submit": "offchain.cli.submitting:submit",
    "status": "offchain.cli.tasks:status",
    "attest": "offchain.cli.tasks:attest",
    "fetch": "offchain.cli.tasks:fetch",
    "curve": "offchain.cli.curves:curve_command",
    "draw": "offchain.cli.tasks:draw",
    "finalise": "offchain.cli.tasks:finalise",
    "cancel": "offchain.cli.tasks:cancel",
    "expire": "offchain.cli.tasks:expire",
    "register": "offchain.cli.nodes:register",
    "nodes": "offchain.cli.nodes:nodes",
    "stake": "offchain.cli.nodes:stake",
    "withdraw": "offchain.cli.nodes:withdraw",
    "worker": "offchain.cli.agents:worker",
    "challenger": "offchain.cli.agents:challenger",
    "auditor": "offchain.cli.agents:auditor",
    "disputes": "offchain.cli.disputes:disputes",
    "audits": "offchain.cli.audits:audits",
    "settle": "offchain.cli.audits:settle",
    "deploy": "offchain.cli.deploying:deploy_command",
    "doctor": "offchain.cli.doctor:doctor",
    "sources": "offchain.cli.doctor:sources",
    "demo": "offchain.cli.demo:demo",
    "conformance": "offchain.cli.conformance:conformance",
}
TRACEBACK_VARIABLE = "CRUX_TRACEBACK"  # for whoever looks for a fault in Crux itself


class Verbs(click.Group):
    """A group whose commands are imported one at a time: PyTorch and ape take seconds."""

    def list_commands(self, context: click.Context) -> list[str]:
        """In the order of a task's life."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of that name."""
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, context: click.Context) -> object:
        """Run; what the user can put right is one line on stderr and exit code 1."""
        try:
            return super().invoke(context)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if os.environ.get(TRACEBACK_VARIABLE) or not is_user_error(error):
                raise
            raise click.ClickException(_get_line(error)) from error


def is_user_error(error: Exception) -> bool:
    """Whether the message tells the user what is wrong; everything else is a fault of Crux."""
    from offchain.chain.errors import ChainError
    from offchain.store.errors import StoreError

    if isinstance(error, ChainError | StoreError | OSError | ArithmeticError):
        return True
    # All rejections of the project are ValueErrors of a class of its own.
    own = type(error).__module__.partition(".")[0] in ("protocol", "offchain")
    return own and isinstance(error, ValueError | RuntimeError)


def _get_line(error: Exception) -> str:
    if getattr(error, "is_listed", False):  # what is wrong is a list
        return str(error)
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@click.group(cls=Verbs, context_settings={"auto_envvar_prefix": "CRUX"})
def main() -> None:
    """Train, verify and dispute machine-learning runs on a chain.

    Every option can be given as an environment variable too, such as CRUX_WORKER_ACCOUNT.
    """
    # ape and the compiler look for their programs on PATH, which an absolute call leaves out.
    here = str(Path(sys.executable).parent)
    if here not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join((here, os.environ.get("PATH", "")))
    warnings.filterwarnings("ignore", module="pydantic_settings")
