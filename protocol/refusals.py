"""Why the challenge game refuses a move: one class per reason, each with the contract's string.

What is wrong with a descriptor or an opening is said by `protocol.descriptor.VerifierError`.
"""


class GameError(ValueError):
    """The move is refused and nothing has changed."""

    reason = ""

    def __init__(self) -> None:
        super().__init__(self.reason)


class WorkerChallengesItself(GameError):
    """A game against one's own claim."""

    reason = "game: worker cannot challenge itself"


class AnotherClaim(GameError):
    """A challenge of a claim that is not the one at hand, as after a reorganisation."""

    reason = "game: another claim"


class GameHasEnded(GameError):
    """No move is owed any more."""

    reason = "game: ended"


class ClaimAlreadySlashed(GameError):
    """Another game has refuted the claim; only a drop is left."""

    reason = "game: claim already slashed"


class ClaimNotSlashed(GameError):
    """A drop of a game that still has a claim."""

    reason = "game: claim not slashed"


class StaleMove(GameError):
    """A move that was planned for another state of the game."""

    reason = "game: stale move"


class NotYourTurn(GameError):
    """The other side, or nobody, owes a move."""

    reason = "game: not your turn"


class AnotherMoveOwed(GameError):
    """The right side, but not what the game asks for."""

    reason = "game: another move is owed"


class ClockExpired(GameError):
    """The move is late: the side can only be timed out."""

    reason = "clock: expired"


class ClockNotExpired(GameError):
    """A timeout of a side that still has time."""

    reason = "clock: not expired"


class WrongNodeCount(GameError):
    """More or fewer descendants than the round's depth has."""

    reason = "game: wrong number of nodes"


class NodesNotUnderNode(GameError):
    """Nodes that do not hash to the contested one."""

    reason = "game: nodes not under contested node"


class ChildOutOfRange(GameError):
    """A child that the round's depth does not have."""

    reason = "game: child out of range"


class WrongPathLength(GameError):
    """A path that does not reach from where it starts to what it must end under."""

    reason = "game: wrong path length"


class ChildNotUnderNode(GameError):
    """A picked node that does not hash to the contested one."""

    reason = "game: child not under contested node"


class ZeroPadding(GameError):
    """A pick of a padding leaf with nothing wrong about it."""

    reason = "game: padding is zero"


class LeafNotUnderRoot(GameError):
    """A posted vector that does not hold the contested value where it must."""

    reason = "game: leaf not under root"


class CountOutOfRange(GameError):
    """A vector with no or with too many leaves: a program that no validator accepts."""

    reason = "game: count out of range"


class TensorOutOfRange(GameError):
    """A tensor with no or with too many elements: a program that no validator accepts."""

    reason = "game: tensor out of range"


class NotTheContestedLeaf(GameError):
    """Data that does not hash to the contested leaf."""

    reason = "game: not the contested leaf"


class DirtyPadding(GameError):
    """Bytes behind the tensor's end that are not zero."""

    reason = "game: padding must be zero"


class PositionOutOfRange(GameError):
    """No element of the tensor is there."""

    reason = "game: position out of range"


class SuperfluousData(GameError):
    """Leaf data where the contested value is known without it."""

    reason = "game: superfluous data"


class RootsNotPosted(GameError):
    """Roots that are not those of the expansions made so far."""

    reason = "game: roots not posted"


class StateNotAgreed(GameError):
    """A state that is not the one before the contested step."""

    reason = "game: state not agreed"


class AccumulatorNotAgreed(GameError):
    """An accumulator that is not the one before the contested chunk."""

    reason = "game: accumulator not agreed"
