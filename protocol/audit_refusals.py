"""Why the lottery and Availability refuse a call: one class per reason, with the contract's own."""


class AuditError(ValueError):
    """The call is refused and nothing has changed."""

    reason = ""

    def __init__(self) -> None:
        super().__init__(self.reason)


class NotAnAuditor(AuditError):
    """Joining, or committing, without the role."""

    reason = "lottery: not an auditor"


class StakeOutOfRange(AuditError):
    """More audit stake in all than tickets can point into."""

    reason = "lottery: stake out of range"


class StakeBelowPenalty(AuditError):
    """Less stake than the penalties of all open audits."""

    reason = "lottery: stake below penalty"


class ZeroAmount(AuditError):
    """Joining with nothing."""

    reason = "vault: zero amount"


class InsufficientStake(AuditError):
    """More than what is free in the vault."""

    reason = "vault: insufficient stake"


class NotYours(AuditError):
    """Leaving for an auditor by another than its payout."""

    reason = "lottery: not yours"


class NothingStaked(AuditError):
    """Leaving without stake."""

    reason = "lottery: nothing staked"


class AuditsOpen(AuditError):
    """Leaving with audits that are not settled."""

    reason = "lottery: audits open"


class TooEarlyToLeave(AuditError):
    """Leaving before the stake has counted once."""

    reason = "lottery: too early to leave"


class AnotherClaim(AuditError):
    """A commitment about a claim of another root."""

    reason = "lottery: another claim"


class ClaimNotPending(AuditError):
    """A claim that is decided."""

    reason = "lottery: claim not pending"


class NoAuditBudget(AuditError):
    """Nothing is left to pay a fee from."""

    reason = "lottery: no audit budget"


class AlreadyDrawn(AuditError):
    """A second draw."""

    reason = "lottery: already drawn"


class SeedNotKnown(AuditError):
    """The beacon has no seed (yet)."""

    reason = "lottery: seed not known"


class TooLateToDraw(AuditError):
    """A draw later than the challenge deadline allows for."""

    reason = "lottery: too late to draw"


class NoAuditors(AuditError):
    """No stake at the claim."""

    reason = "lottery: no auditors"


class NothingToAudit(AuditError):
    """A claim without a stretch."""

    reason = "lottery: nothing to audit"


class NoDraw(AuditError):
    """A claim that was not drawn."""

    reason = "lottery: no draw"


class CommitWindowClosed(AuditError):
    """A commitment after the deadline."""

    reason = "lottery: commit window closed"


class NotDrawn(AuditError):
    """A ticket that does not win, or stake that is too new."""

    reason = "lottery: not drawn"


class AlreadyCommitted(AuditError):
    """A second commitment."""

    reason = "lottery: already committed"


class AllAuditsTaken(AuditError):
    """More commitments than there are fees."""

    reason = "lottery: all audits taken"


class WorkerAuditsItself(AuditError):
    """An audit of one's own claim."""

    reason = "lottery: worker cannot audit itself"


class CommitWindowOpen(AuditError):
    """A leaf that auditors could still copy."""

    reason = "lottery: commit window open"


class OpenWindowClosed(AuditError):
    """A leaf that is opened too late."""

    reason = "lottery: open window closed"


class NothingCommitted(AuditError):
    """A leaf that nobody asked for."""

    reason = "lottery: nothing committed"


class AlreadyOpen(AuditError):
    """A leaf that is known."""

    reason = "lottery: already open"


class LeafNotInClaim(AuditError):
    """A path that proves nothing."""

    reason = "lottery: leaf not in claim"


class NotCommitted(AuditError):
    """A reveal without an open commitment."""

    reason = "lottery: not committed"


class LeafNotOpen(AuditError):
    """A reveal before there is anything to compare."""

    reason = "lottery: leaf not open"


class RevealWindowClosed(AuditError):
    """A reveal after the deadline."""

    reason = "lottery: reveal window closed"


class NotTheCommitment(AuditError):
    """Another state root or salt."""

    reason = "lottery: not the commitment"


class OpenWindowOpen(AuditError):
    """A default of a worker that still has time."""

    reason = "lottery: open window open"


class NothingToSettle(AuditError):
    """No audit, or one that has ended."""

    reason = "lottery: nothing to settle"


class TooEarlyToSettle(AuditError):
    """An audit whose end is not decided."""

    reason = "lottery: too early to settle"


class ClaimDecided(AuditError):
    """A question about a claim that is decided."""

    reason = "availability: claim not pending"


class NothingAsked(AuditError):
    """A task without attestations."""

    reason = "availability: nothing asked"


class AlreadySettled(AuditError):
    """The question is answered."""

    reason = "availability: settled"


class RoundOver(AuditError):
    """An attestation between rounds."""

    reason = "availability: round over"


class NotAnAttester(AuditError):
    """Not drawn, no active stake, or the worker."""

    reason = "availability: not an attester"


class AlreadyAttested(AuditError):
    """A second attestation."""

    reason = "availability: already attested"


class AnotherStateRoot(AuditError):
    """An attestation of another result."""

    reason = "availability: another state root"


class NotTheWorker(AuditError):
    """Serving another's claim."""

    reason = "availability: not the worker"


class RoundOpen(AuditError):
    """Serving again, or voiding, while auditors still have time."""

    reason = "availability: round open"


class NoRoundLeft(AuditError):
    """Serving again after the last round."""

    reason = "availability: no round left"


class TooLateToServe(AuditError):
    """Serving again after the time for it."""

    reason = "availability: too late to serve"


class WindowOpen(AuditError):
    """Voiding a claim that can still be challenged."""

    reason = "availability: window open"


class GamesOpen(AuditError):
    """Voiding a claim that is being challenged."""

    reason = "escrow: games open"
