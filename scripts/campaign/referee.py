"""The deployed contracts under test, many cases per call.

They run on anvil, which executes a hundred times as fast as titanoboa; `BatchMock` loops over the
cases, so that a call costs its arithmetic and little else.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boa
from eth_abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils import function_abi_to_4byte_selector
from eth_utils.abi import get_abi_input_types
from vyper.compiler.output import build_abi_output

from offchain.chain.anvil import HOST, Anvil
from tests.economy import CONTRACTS

ERROR = bytes.fromhex("08c379a0")  # selector of Error(string)
CALL_TIMEOUT_SECONDS = 300
MINING_SECONDS = 30
# Bounds of BatchMock.
WORDS_MAX = 2**9
CHUNKS_MAX = 2**6
CALLS_MAX = 2**4
# What one call may take: the goal of a last step.
GAS_MAX = 500_000


class CallError(RuntimeError):
    """The chain answered with an error: for `eth_call`, a revert."""


MapCase = tuple[int, int, int, int, int]  # words a, b, c; attributes 0, 1


@dataclass(frozen=True, slots=True)
class FoldCase:
    """One chunk: `a` and `b` are 1024 bytes, of which the first `length` elements count."""

    accumulator: int
    wanted: int
    length: int
    a: bytes
    b: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call came to: its 32 bytes, or the reason of its refusal (empty if it gave none)."""

    word: bytes | None
    reason: str = ""


def _encode_array(words: bytes, count: int, offset: int) -> bytes:
    """The tail of an argument: `offset` to it, its length, its elements."""
    return offset.to_bytes(32, "big") + count.to_bytes(32, "big") + words


def _word(value: int) -> bytes:
    return (value % 2**256).to_bytes(32, "big")


def decode_outcome(success: bool, data: bytes) -> Outcome:
    """An outcome from a call's return or revert data."""
    if success:
        return Outcome(data[:32])
    if data[:4] != ERROR:
        return Outcome(None)
    try:
        return Outcome(None, decode(["string"], data[4:])[0])
    except (DecodingError, UnicodeDecodeError):
        return Outcome(None)


def get_functions(compiled: Any) -> dict[str, Any]:
    """The ABI of each function of a contract that titanoboa compiled, by name."""
    abi = build_abi_output(compiled.compiler_data)
    return {item["name"]: item for item in abi if item["type"] == "function"}


class Referee:
    """MapUnit, StepVerifier and BatchMock on a chain of their own. Use as a context manager."""

    def __init__(self, contracts: Path = CONTRACTS) -> None:
        """Deploy the contracts of that folder."""
        self.contracts = contracts
        self.anvil = Anvil()
        self.connection = HTTPConnection(HOST, self.anvil.port, timeout=CALL_TIMEOUT_SECONDS)
        self.sender = self._request("eth_accounts", [])[0]
        digest = sha256()
        parts = {name: self._compile(name) for name in ("MapUnit", "StepVerifier")}
        for part in parts.values():
            digest.update(part.compiler_data.bytecode_runtime)
        self.code = digest.hexdigest()[:16]  # which contracts these are
        self.map_unit = self._deploy(parts["MapUnit"])
        argument = encode(["address"], [self.map_unit])
        self.verifier_functions = get_functions(parts["StepVerifier"])
        self.verifier = self._deploy(parts["StepVerifier"], argument)
        mock = self._compile("mocks/BatchMock")
        self.mock = self._deploy(mock)
        self.selectors = {
            name: function_abi_to_4byte_selector(item) for name, item in get_functions(mock).items()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the chain."""
        self.connection.close()
        self.anvil.stop()

    def compute_maps(self, opcode: int, cases: Sequence[MapCase]) -> list[int | None]:
        """The words that MapUnit gives, in calls of at most WORDS_MAX cases."""
        head = bytes(12) + bytes.fromhex(self.map_unit[2:]) + _word(opcode)
        packed = [b"".join([_word(value) for value in case]) for case in cases]
        return self._compute_words("compute_maps", head, packed, WORDS_MAX)

    def compute_folds(self, opcode: int, cases: Sequence[FoldCase]) -> list[int | None]:
        """The accumulators that the verifier's module gives."""
        packed = [
            _word(case.accumulator) + _word(case.wanted) + _word(case.length) + case.a + case.b
            for case in cases
        ]
        return self._compute_words("compute_folds", _word(opcode), packed, CHUNKS_MAX)

    def compute_random24s(self, cases: Sequence[tuple[int, ...]]) -> list[int | None]:
        """The draws of the verifier's module at each (key0, key1, position, counter)."""
        packed = [b"".join([_word(value) for value in case]) for case in cases]
        return self._compute_words("random24s", b"", packed, WORDS_MAX)

    def encode_element(self, arguments: Sequence[Any]) -> bytes:
        """Call data of `compute_element`."""
        abi = self.verifier_functions["compute_element"]
        return function_abi_to_4byte_selector(abi) + encode(get_abi_input_types(abi), arguments)

    def call_verifier(self, calls: Sequence[bytes]) -> list[Outcome]:
        """The outcome of each call of StepVerifier, each with GAS_MAX gas."""
        outcomes = []
        for start in range(0, len(calls), CALLS_MAX):
            part = calls[start : start + CALLS_MAX]
            data = encode(["address", "uint256", "bytes[]"], [self.verifier, GAS_MAX, part])
            answer = self._call(self.mock, self.selectors["call_each"] + data)
            outcomes += [decode_outcome(*item) for item in decode(["(bool,bytes)[]"], answer)[0]]
        return outcomes

    def _compute_words(
        self, name: str, head: bytes, cases: list[bytes], limit: int
    ) -> list[int | None]:
        """The words of all cases, in calls of at most `limit`; None where the contract reverts."""
        words: list[int | None] = []
        for start in range(0, len(cases), limit):
            part = cases[start : start + limit]
            tail = _encode_array(b"".join(part), len(part), len(head) + 32)
            try:
                answer = self._call(self.mock, self.selectors[name] + head + tail)
            except CallError:
                # One case that reverts takes all with it: halve until it is alone.
                half = len(part) // 2
                words += self._compute_words(name, head, part, half) if half else [None]
            else:
                numbers = [answer[i : i + 32] for i in range(64, len(answer), 32)]
                words += [int.from_bytes(number, "big") for number in numbers]
        assert len(words) == len(cases), f"{name}: {len(words)} words for {len(cases)} cases"
        return words

    def _compile(self, name: str) -> Any:
        return boa.load_partial(str(self.contracts / f"{name}.vy"))

    def _deploy(self, compiled: Any, argument: bytes = b"") -> str:
        data = "0x" + (compiled.compiler_data.bytecode + argument).hex()
        sent = self._request("eth_sendTransaction", [{"from": self.sender, "data": data}])
        deadline = time.monotonic() + MINING_SECONDS
        while (receipt := self._request("eth_getTransactionReceipt", [sent])) is None:
            assert time.monotonic() < deadline, f"{sent}: not mined in {MINING_SECONDS} seconds"
            time.sleep(0.01)
        address: str = receipt["contractAddress"]
        return address

    def _call(self, target: str, data: bytes) -> bytes:
        answer = self._request("eth_call", [{"to": target, "data": "0x" + data.hex()}, "latest"])
        return bytes.fromhex(answer[2:])

    def _request(self, method: str, arguments: list[Any]) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": arguments})
        self.connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = json.loads(self.connection.getresponse().read())
        if "error" in answer:
            raise CallError(f"{method}: {answer['error']}")
        return answer["result"]
