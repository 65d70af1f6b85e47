"""`crux audits`."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from offchain.chain.client import Chain
from offchain.chain.records import Claim
from offchain.cli.options import json_option, network_options, open_chain, print_json


@click.command()
@network_options
@json_option
def audits(network: str, manifest: Path, as_json: bool) -> None:
    """Claims whose auditors were drawn, the latest first, and how each audit stands."""
    with open_chain(network, manifest) as chain:
        claims = (chain.escrow.get_claim(claim_id) for claim_id in chain.escrow.get_claim_ids())
        rows = [row for claim in claims if (row := describe_draw(chain, claim)) is not None]
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
