# pragma version ==0.4.3
# pragma nonreentrancy on
"""
@title NodeRegistry
@notice Who works on tasks and who audits them, and how that went.
        Documentation of every function and its reverts: INodeRegistry.vyi.
"""


from .interfaces import INodeRegistry

implements: INodeRegistry


escrow: public(immutable(address))

is_retired: public(HashMap[address, bool])
_node_of: HashMap[address, INodeRegistry.Node]
_record_of: HashMap[address, INodeRegistry.Record]


@deploy
def __init__(escrow_: address):
    """
    @param escrow_ Where the TaskEscrow will be.
    """
    assert escrow_ != empty(address), "registry: zero escrow"
    escrow = escrow_


@external
@view
def node_of(account: address) -> INodeRegistry.Node:
    return self._node_of[account]


@external
@view
def record_of(account: address) -> INodeRegistry.Record:
    return self._record_of[account]


@external
@view
def is_worker(account: address) -> bool:
    return INodeRegistry.Role.WORKER in self._node_of[account].roles


@external
@view
def is_auditor(account: address) -> bool:
    return INodeRegistry.Role.AUDITOR in self._node_of[account].roles


@external
@view
def payout_of(account: address) -> address:
    payout: address = self._node_of[account].payout
    if payout == empty(address):
        return account
    return payout


@external
def register(
    roles: INodeRegistry.Role,
    hardware_class: bytes32,
    conformance_digest: bytes32,
    payout: address,
    metadata_uri: String[256],
):
    assert not self.is_retired[msg.sender], "registry: retired"
    self._check_payout(msg.sender, payout)
    # N1: from the first registration on the hot key does not choose where its money goes.
    known: address = self._node_of[msg.sender].payout
    assert known == empty(address) or known == payout, "registry: not the payout"
    self._node_of[msg.sender] = INodeRegistry.Node(
        roles=roles,
        hardware_class=hardware_class,
        conformance_digest=conformance_digest,
        payout=payout,
        metadata_uri=metadata_uri,
    )
    log INodeRegistry.NodeRegistered(
        node=msg.sender,
        payout=payout,
        roles=roles,
        hardware_class=hardware_class,
        conformance_digest=conformance_digest,
        metadata_uri=metadata_uri,
    )


@external
def retire(node: address):
    assert msg.sender == self._node_of[node].payout, "registry: not the payout"
    assert not self.is_retired[node], "registry: retired"
    # N4: for good, because the key may be in a thief's hands.
    self.is_retired[node] = True
    self._node_of[node].roles = empty(INodeRegistry.Role)
    log INodeRegistry.NodeRetired(node=node)


@external
def set_payout(node: address, payout: address):
    # A node that never registered has the payout zero, which calls nothing.
    assert msg.sender == self._node_of[node].payout, "registry: not the payout"
    self._check_payout(node, payout)
    self._node_of[node].payout = payout
    log INodeRegistry.PayoutChanged(node=node, payout=payout)


@external
def record_finalised(worker: address):
    self._check_escrow()
    self._record_of[worker].finalised += 1
    self._log_record(worker)


@external
def record_lost(worker: address):
    self._check_escrow()
    self._record_of[worker].lost += 1
    self._log_record(worker)


@external
def record_abandoned(worker: address):
    self._check_escrow()
    self._record_of[worker].abandoned += 1
    self._log_record(worker)


@internal
@view
def _check_escrow():
    assert msg.sender == escrow, "registry: not escrow"


@internal
@pure
def _check_payout(node: address, payout: address):
    assert payout != empty(address), "registry: zero payout"
    assert payout != node, "registry: payout is the node"


@internal
def _log_record(worker: address):
    log INodeRegistry.NodeRecorded(node=worker, record=self._record_of[worker])
