"""From sources to the code on a chain: what block explorers take, and the comparison itself.

The input of a contract is the compiler's standard JSON: every source that it imports, and the
settings. It is compiled from that very input, so what an explorer gets is what was compared. An
immutable is written behind the code at creation; its place comes from the compiler, its value
from the manifest.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi import encode
from eth_utils import keccak

from offchain.chain.deployment import ROOT, get_constructor
from offchain.chain.manifest import TOKEN, Compiler, Deployment, compute_values

FOLDERS = ("contracts", "contracts/mocks")  # the test token is a mock
OUTPUTS = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "layout"]


@dataclass(frozen=True)
class Immutable:
    """A value that the constructor writes behind the code."""

    name: str
    offset: int
    length: int


@dataclass(frozen=True)
class Compiled:
    """One contract, compiled from its input."""

    creation: bytes
    runtime: bytes  # without immutables
    immutables: tuple[Immutable, ...]


def get_path(name: str) -> Path:
    """Where the contract's source is."""
    for folder in FOLDERS:
        if (path := ROOT / folder / f"{name}.vy").exists():
            return path
    raise FileNotFoundError(f"{name}.vy: no such contract in {' or '.join(FOLDERS)}")


def build_input(name: str, compiler: Compiler) -> dict[str, Any]:
    """The compiler's standard JSON input of a contract."""
    path = get_path(name)
    sources = {_get_name(source): source.read_text() for source in _find_sources(path)}
    return {
        "language": "Vyper",
        "sources": {key: {"content": sources[key]} for key in sorted(sources)},
        "settings": {
            "evmVersion": compiler.evm_version,
            "search_paths": ["."],
            "outputSelection": {_get_name(path): OUTPUTS},
        },
    }


def compile_input(content: Mapping[str, Any]) -> Compiled:
    """Compile a contract from its standard JSON input."""
    from vyper.cli.vyper_json import compile_json

    (path,) = content["settings"]["outputSelection"]
    output = compile_json(dict(content))["contracts"][path][Path(path).stem]
    layout = output["layout"].get("code_layout", {})
    return Compiled(
        creation=bytes.fromhex(output["evm"]["bytecode"]["object"].removeprefix("0x")),
        runtime=bytes.fromhex(output["evm"]["deployedBytecode"]["object"].removeprefix("0x")),
        immutables=tuple(_list_immutables(layout)),
    )


def encode_arguments(deployment: Deployment, name: str, contract_type: Any) -> bytes:
    """The ABI-encoded arguments of a contract's constructor, which explorers ask for."""
    constructor = get_constructor(contract_type)
    values = compute_values(deployment.token, deployment.addresses, deployment.configuration)
    return encode(list(constructor.values()), [values[key] for key in constructor])


def find_differences(
    deployment: Deployment, name: str, compiled: Compiled, arguments: bytes, found: bytes
) -> Iterator[str]:
    """In what the code on the chain, and the manifest's hashes, differ from the sources."""
    if _hash(compiled.creation + arguments) != deployment.code[name].creation:
        yield "creation code or arguments"
    size = len(compiled.runtime)
    if found[:size] != compiled.runtime:
        yield "runtime code"
        return
    tail = found[size:]
    if len(tail) != sum(item.length for item in compiled.immutables):
        yield f"{len(tail)} bytes of immutables"
    elif name != TOKEN:
        # The token's immutables are computed by its constructor, whose code was compared.
        values = compute_values(deployment.token, deployment.addresses, deployment.configuration)
        for item in compiled.immutables:
            value = values[item.name.lower()]
            expected = encode(["address" if isinstance(value, str) else "uint256"], [value])
            if tail[item.offset : item.offset + item.length] != expected:
                yield f"immutable {item.name}"


def _list_immutables(layout: Mapping[str, Any]) -> Iterator[Immutable]:
    """Modules nest their own."""
    for name, item in layout.items():
        if "offset" in item and "type" in item:
            yield Immutable(name, int(item["offset"]), int(item["length"]))
        else:
            yield from _list_immutables(item)


def _find_sources(path: Path) -> list[Path]:
    """The contract and everything that it imports, besides what the compiler brings."""
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.phases import CompilerData

    bundle = FilesystemInputBundle([*_list_packages(), ROOT])
    file = bundle.load_file(path)
    imported = CompilerData(file, bundle).resolved_imports.compiler_inputs
    return [path, *(Path(item.resolved_path) for item in imported if not item.from_builtin)]


def _get_name(path: Path) -> str:
    """Relative to the folder of installed packages, or to the checkout: where imports begin.

    Packages come first, because a virtual environment is often inside the checkout.
    """
    for folder in (*_list_packages(), ROOT):
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    raise FileNotFoundError(f"{path}: outside of the checkout and the installed packages")


def _list_packages() -> list[Path]:
    import sysconfig

    return [Path(sysconfig.get_paths()["purelib"])]


def _hash(code: bytes) -> str:
    return "0x" + keccak(code).hex()
