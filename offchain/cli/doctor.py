"""`crux doctor` and `crux sources`: whether a deployment is what it says."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table
from web3 import Web3

from offchain.chain.contract import ask
from offchain.chain.deployment import load_abi, load_project
from offchain.chain.doctor import Finding, Verdict, examine
from offchain.chain.manifest import TOKEN, Deployment, read_deployment
from offchain.chain.network import connect
from offchain.chain.sources import build_input, compile_input, encode_arguments, find_differences
from offchain.cli.options import json_option, network_options, print_json

STYLES = {Verdict.FITS: "green", Verdict.WARNING: "yellow", Verdict.FAULT: "bold red"}


@click.command("doctor")
@click.argument(
    "named", metavar="[MANIFEST]", required=False, type=click.Path(dir_okay=False, path_type=Path)
)
@network_options
@json_option
@click.option("--all", "show_all", is_flag=True, help="Show what fits, too.")
def doctor(named: Path | None, network: str, manifest: Path, as_json: bool, show_all: bool) -> None:
    """Compare a deployment with its manifest; exit code 1 where anything does not fit."""
    deployment = read_deployment(named or manifest)
    project = load_project()
    abis = {name: load_abi(name, project) for name in (*deployment.contracts, TOKEN)}
    with connect(network) as connected:
        findings = list(examine(connected.web3, deployment, abis))
    faults = [finding for finding in findings if finding.verdict is Verdict.FAULT]
    if as_json:
        print_json(
            {
                "fits": not faults,
                "findings": [asdict(f) | {"verdict": f.verdict.value} for f in findings],
            }
        )
    else:
        shown = [f for f in findings if show_all or f.verdict is not Verdict.FITS]
        if shown:
            Console().print(_build_table(shown))
        warnings = sum(finding.verdict is Verdict.WARNING for finding in findings)
        click.echo(f"{len(findings)} findings, {warnings} warnings, {_tell(faults)}")
    if faults:
        raise click.exceptions.Exit(1)


def _tell(faults: list[Finding]) -> str:
    """The names of what does not fit, in words."""
    names = ", ".join(finding.name for finding in faults)
    if not faults:
        return "everything fits"
    return f"{len(faults)} {'does' if len(faults) == 1 else 'do'} not fit: {names}"


def _build_table(findings: list[Finding]) -> Table:
    table = Table("", "what", "expected", "found")
    for finding in findings:
        style = STYLES[finding.verdict]
        verdict = f"[{style}]{finding.verdict.value}[/{style}]"
        table.add_row(verdict, finding.name, finding.expected, finding.found)
    return table


@click.command("sources")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@network_options
def sources(folder: Path, network: str, manifest: Path) -> None:
    """Compile a deployment's sources anew and compare; write what block explorers take.

    For each contract FOLDER gets the compiler's standard JSON input (NAME.json) and the encoded
    constructor arguments (NAME.arguments). Exit code 1 where code on the chain differs.
    """
    deployment = read_deployment(manifest)
    project = load_project()
    folder.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    problems: list[str] = []
    with connect(network) as connected:
        for name in track(list(deployment.code), "compiling", console=console, transient=True):
            differences = _process_sources(connected.web3, deployment, project, name, folder)
            problems += [f"{name}: {difference}" for difference in differences]
            state = "differs in " + ", ".join(differences) if differences else "equals its sources"
            click.echo(f"{name:<16} {state}")
    if problems:
        raise click.exceptions.Exit(1)


def _process_sources(
    web3: Web3, deployment: Deployment, project: Any, name: str, folder: Path
) -> list[str]:
    """Write a contract's files; in what it differs."""
    content = build_input(name, deployment.compiler)
    arguments = encode_arguments(deployment, name, getattr(project, name).contract_type)
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    (folder / f"{name}.arguments").write_text(arguments.hex() + "\n")
    address = deployment.token if name == TOKEN else deployment.addresses[name]
    found = bytes(ask(name, lambda: web3.eth.get_code(Web3.to_checksum_address(address))))
    compiled = compile_input(content)
    return list(find_differences(deployment, name, compiled, arguments, found))
