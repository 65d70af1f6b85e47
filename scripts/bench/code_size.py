"""Code size of every contract that is deployed: `python -m scripts.bench.code_size`."""

from pathlib import Path

from tests.economy import CONTRACTS, get_deployer

LIMIT = 24_576  # bytes, EIP-170


def list_deployables() -> list[str]:
    """The contracts that a deployment consists of, by name."""
    return sorted(path.stem for path in Path(CONTRACTS).glob("*.vy"))


def measure_size(name: str) -> int:
    """Bytes of a contract as deployed: its code, and its immutables behind it."""
    compiled = get_deployer(name).compiler_data
    return len(compiled.bytecode_runtime) + int(compiled.global_ctx.immutable_section_bytes)


def format_table(sizes: dict[str, int]) -> str:
    """Aligned lines: name, size, what is left to the limit."""
    lines = [f"{'contract':16} {'bytes':>8} {'left':>8}"]
    lines += [f"{name:16} {size:>8,} {LIMIT - size:>8,}" for name, size in sizes.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    measured = {name: measure_size(name) for name in list_deployables()}
    print(format_table(measured))
    if max(measured.values()) > LIMIT:
        raise SystemExit(f"over the limit of {LIMIT:,} bytes")
