"""A development chain of our own: anvil on a free port of this machine, stopped by process id."""

import atexit
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from web3 import HTTPProvider, Web3

from offchain.chain.errors import AnvilError
from protocol.types import Seconds

HOST = "127.0.0.1"
START_SECONDS = 20.0  # a cold start on a busy machine takes a few
PORT_ATTEMPTS = 3  # somebody else may take a free port between asking and binding
ACCOUNTS = 20  # funded accounts of the well-known test mnemonic, which ape uses as well


class Anvil:
    """A running anvil. Use as a context manager, or call `stop`."""

    def __init__(self, log: Path | None = None, options: Sequence[str] = ()):
        """Start; raises `AnvilError` when there is no anvil or it does not come up.

        `options` are anvil's own, such as ("--chain-id", "5").
        """
        self._log = log
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None
        binary = find_anvil()
        for _ in range(PORT_ATTEMPTS):
            self.port = _find_free_port()
            if self._start(binary):
                break
        else:
            raise AnvilError(f"anvil: did not come up on {HOST}:{self.port}; see {log or 'stderr'}")
        atexit.register(self.stop)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    @property
    def process_id(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def _start(self, binary: str) -> bool:
        output = subprocess.DEVNULL if self._log is None else self._log.open("ab")
        self._process = subprocess.Popen(
            # Cancun: what the contracts are compiled for.
            [binary, "--host", HOST, "--port", str(self.port), "--accounts", str(ACCOUNTS)]
            + ["--hardfork", "cancun", "--silent", *self._options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        web3 = Web3(HTTPProvider(self.url))
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if web3.is_connected():
                return True
            time.sleep(0.05)
        self.stop()
        return False

    def stop(self) -> None:
        """End this process and no other; a second call does nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def find_anvil() -> str:
    """Path of the anvil binary: on PATH, or beside the running interpreter."""
    beside = Path(sys.executable).parent / "anvil"
    found = shutil.which("anvil") or (str(beside) if beside.exists() else None)
    if found is None:
        raise AnvilError("anvil: not found on PATH; `make setup` installs it")
    return found


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def pass_time(web3: Web3, seconds: Seconds) -> None:
    """Let `seconds` go by on a development chain and mine a block."""
    for method, arguments in (("evm_increaseTime", [seconds]), ("evm_mine", [])):
        answer = web3.provider.make_request(method, arguments)
        if "error" in answer:
            raise AnvilError(f"{method}: {answer['error']}; only development chains know it")
