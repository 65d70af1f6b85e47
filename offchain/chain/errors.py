"""Why something on the chain did not happen. Every message is one line that names the thing."""


class ChainError(Exception):
    """Anything that goes wrong between this program and a chain."""


class NetworkUnreachable(ChainError):
    """The node does not answer."""


class WrongNetwork(ChainError):
    """The node serves another chain than the one the deployment is on."""


class BadAnswer(ChainError):
    """The node's answer is malformed or beyond the bounds of the protocol."""


class MissingFunds(ChainError):
    """An account holds too little of the token, or too little ether for gas."""


class UnknownAccount(ChainError):
    """There is no key for the account that was asked for."""


class Reverted(ChainError):
    """The contract refuses; `reason` is its revert string, and nothing was sent."""

    def __init__(self, action: str, reason: str):
        super().__init__(f"{action}: {reason}")
        self.action = action
        self.reason = reason


class TransactionFailed(ChainError):
    """A transaction was mined and failed, although its simulation had succeeded."""


class TransactionStuck(ChainError):
    """A transaction stayed out of every block up to the highest fee allowed."""


class NonceTaken(ChainError):
    """Another program sent a transaction with the same key in between."""


class AnvilError(ChainError):
    """The local development chain does not start."""
