"""The economy as `contracts/interfaces` describes it, in plain Python.

Written from the interfaces, not from the contracts: where the two differ, one of them is wrong.
Each external function is a method that takes the caller first. It raises `Refused` with every
reason that applies, or changes the model, notes the events and returns what the contract returns.
"""

from tests.property.economy.ghost.base import Event, Refused
from tests.property.economy.ghost.world import Ghost, Parameters

__all__ = ["Event", "Ghost", "Parameters", "Refused"]
