"""What a submitter offers: defaults from the deployment's prices, and refusals by name.

Everything that the contract would refuse is refused here, before anything is spent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from offchain.chain.parameters import Parameters
from offchain.chain.records import (
    AMOUNT_MAX,
    ATTESTATIONS_MAX,
    BOND_MAX,
    NO_ADDRESS,
    SHARES_MAX,
    WHOLE_BPS,
    Offer,
    Share,
    Terms,
    Timestamp,
)
from protocol.pricing import Minimums
from protocol.sortition import compute_fee, count_stretches
from protocol.types import Seconds, Wei

AUCTION_SECONDS = Seconds(3_600)  # where the reward is a range
LEASE_SECONDS = Seconds(86_400)
EXPIRY_SECONDS = Seconds(7 * 86_400)
HEARTBEAT_SEGMENTS = 4  # of equal segments that fill the lease
AUCTION_SECONDS_MAX = 365 * 86_400


class BadOffer(ValueError):
    """The contract would refuse the task; the message names every reason."""


@dataclass(frozen=True)
class Wishes:
    """What a submitter says; None where the default is wanted."""

    min_reward: Wei
    max_reward: Wei
    auction_seconds: Seconds | None = None
    audit_budget: Wei = Wei(0)
    attestations: int = 0
    stake: Wei | None = None
    bond: Wei | None = None
    lease_seconds: Seconds | None = None
    heartbeat_seconds: Seconds | None = None
    expiry_seconds: Seconds | None = None


def build_offer(
    wishes: Wishes, terms: Terms, minimums: Minimums, parameters: Parameters, now: Timestamp
) -> Offer:
    """The offer that the wishes and the deployment's prices make."""
    is_range = wishes.min_reward != wishes.max_reward
    lease = wishes.lease_seconds
    if lease is None:
        lease = min(LEASE_SECONDS, parameters.max_lease_seconds)
    heartbeat = wishes.heartbeat_seconds
    if heartbeat is None:
        heartbeat = min(lease, Seconds(-(-HEARTBEAT_SEGMENTS * lease // terms.segments)))
    auction = wishes.auction_seconds
    if auction is None:
        auction = AUCTION_SECONDS if is_range else Seconds(0)
    expiry = EXPIRY_SECONDS if wishes.expiry_seconds is None else wishes.expiry_seconds
    return Offer(
        min_reward=wishes.min_reward,
        max_reward=wishes.max_reward,
        auction_seconds=auction,
        audit_budget=wishes.audit_budget,
        attestations=wishes.attestations,
        stake=minimums.stake if wishes.stake is None else wishes.stake,
        bond=minimums.bond if wishes.bond is None else wishes.bond,
        lease_seconds=lease,
        heartbeat_seconds=heartbeat,
        expiry=Timestamp(now + expiry),
    )


def check_offer(
    terms: Terms,
    offer: Offer,
    shares: Sequence[Share],
    minimums: Minimums,
    parameters: Parameters,
    now: Timestamp,
) -> None:
    """Raises `BadOffer` with everything that the contract would refuse."""
    if faults := [
        *_compute_faults(terms, offer, minimums, parameters, now),
        *_compute_split_faults(shares),
    ]:
        raise BadOffer("; ".join(faults))


def _compute_faults(
    terms: Terms, offer: Offer, minimums: Minimums, parameters: Parameters, now: Timestamp
) -> Iterator[str]:
    for name, value, low, high in (
        ("least reward", offer.min_reward, 1, offer.max_reward),
        ("largest reward", offer.max_reward, 1, AMOUNT_MAX),
        ("auction seconds", offer.auction_seconds, 0, AUCTION_SECONDS_MAX),
        ("audit budget", offer.audit_budget, 0, AMOUNT_MAX),
        ("attestations", offer.attestations, 0, ATTESTATIONS_MAX),
        ("stake", offer.stake, minimums.stake, AMOUNT_MAX),
        ("bond", offer.bond, minimums.bond, BOND_MAX),
        ("lease seconds", offer.lease_seconds, 1, parameters.max_lease_seconds),
        ("heartbeat seconds", offer.heartbeat_seconds, 1, offer.lease_seconds),
        (
            "re-execution seconds",
            terms.reexecution_seconds,
            minimums.reexecution_seconds,
            parameters.max_reexecution_seconds,
        ),
    ):
        if low > high:
            yield f"{name}: this run needs at least {low}, the deployment allows {high}"
        elif not low <= value <= high:
            yield f"{name}: {value} is outside {low} to {high}"
    if offer.expiry <= now:
        yield f"expiry: {offer.expiry} is in the past"
    if offer.audit_budget:
        if count_stretches(terms.segments) == 0:
            yield f"audit budget: {terms.segments} segments have nothing to audit, 3 are needed"
        elif compute_audit_fee(offer, parameters) == 0:
            yield f"audit budget: {offer.audit_budget} makes the fee of an audit zero"


def _compute_split_faults(shares: Sequence[Share]) -> Iterator[str]:
    total = sum(share.basis_points for share in shares)
    if len(shares) > SHARES_MAX:
        yield f"shares: {len(shares)}, at most {SHARES_MAX} are possible"
    if total >= WHOLE_BPS:
        yield f"shares: {total} basis points leave the worker nothing of {WHOLE_BPS}"
    for share in shares:
        if share.basis_points < 1 or share.beneficiary == NO_ADDRESS:
            yield f"share of {share.beneficiary}: {share.basis_points} basis points"


def compute_audit_fee(offer: Offer, parameters: Parameters) -> Wei:
    """What an auditor of the task is paid."""
    return compute_fee(offer.audit_budget, Wei(0), parameters.audits, offer.attestations)
