"""The `crux` command as somebody types it."""

from pathlib import Path

from click.testing import CliRunner, Result

from offchain.cli import main


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


def register(terminal: Terminal, role: str, number: int, payout: str = "") -> str:
    """Register a test account; returns its payout, of which nobody has the key by default."""
    payout = payout or f"0x{number:040x}"
    registered = terminal.run(
        *("register", "--account", f"test:{number}", "--role", role, "--payout", payout),
        *("--hardware", "laptop", "--uri", "https://example.org/node"),
    )
    assert registered.exit_code == 0, registered.output
    return payout
