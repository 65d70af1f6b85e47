"""`crux audits` and `crux settle`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from offchain.chain.client import Chain
from offchain.chain.errors import Reverted
from offchain.chain.lottery import UNSETTLED
from offchain.chain.records import Address, Claim, ClaimId
from offchain.cli.options import (
    account_option,
    json_option,
    network_options,
    open_chain,
    print_json,
)


@click.command()
@network_options
@json_option
def audits(network: str, manifest: Path, as_json: bool) -> None:
    """Claims whose auditors were drawn, the latest first, and how each audit stands."""
    with open_chain(network, manifest) as chain:
        rows = [
            row for claim in _get_claims(chain) if (row := describe_draw(chain, claim)) is not None
        ]
        if as_json:
            print_json(rows)
            return
        table = Table("claim", "task", "fee", "auditor", "segment", "status", box=None)
        for row in rows:
            place = (str(row["claim"]), str(row["task"]), chain.token.format(row["fee"]))
            for audit in row["audits"]:
                table.add_row(*place, audit["auditor"], str(audit["segment"]), audit["status"])
            if not row["audits"]:
                table.add_row(*place, "", "", "nobody has committed")
        Console().print(table)


@click.command()
@click.argument("task_id", metavar="TASK", type=click.IntRange(1))
@network_options
@account_option
def settle(task_id: int, network: str, manifest: Path, account: str) -> None:
    """End audits of a task whose claims are decided: fees are paid, or free again. Anybody may."""
    with open_chain(network, manifest, account) as chain:
        found = False
        for claim in _get_claims(chain):
            if claim.task_id != task_id:
                continue
            for auditor in chain.lottery.get_commitments(claim.id):
                if chain.lottery.get_audit(claim.id, auditor).status not in UNSETTLED:
                    continue
                found = True
                click.echo(f"claim {claim.id}, {auditor}: {_settle(chain, claim.id, auditor)}")
        if not found:
            click.echo(f"task {task_id}: no audit to settle")


def _get_claims(chain: Chain) -> Iterator[Claim]:
    """The latest first."""
    return (chain.escrow.get_claim(claim_id) for claim_id in chain.escrow.get_claim_ids())


def _settle(chain: Chain, claim_id: ClaimId, auditor: Address) -> str:
    try:
        chain.lottery.settle(claim_id, auditor)
    except Reverted as refusal:
        return refusal.reason
    return chain.lottery.get_audit(claim_id, auditor).status.name.lower()


def describe_draw(chain: Chain, claim: Claim) -> dict[str, Any] | None:
    """A claim's draw and its audits; None where nothing was drawn."""
    draw = chain.lottery.get_draw(claim.id)
    if not draw.is_drawn:
        return None
    committed = chain.lottery.get_commitments(claim.id) if draw.commitments else {}
    return {
        "claim": claim.id,
        "task": claim.task_id,
        "seed": draw.seed,
        "fee": draw.fee,
        "commit_deadline": draw.commit_deadline,
        "open_deadline": draw.open_deadline,
        "reveal_deadline": draw.reveal_deadline,
        "audits": [
            {
                "auditor": auditor,
                "segment": segment,
                "status": chain.lottery.get_audit(claim.id, auditor).status.name.lower(),
            }
            for auditor, segment in committed.items()
        ],
    }
