"""Sending: simulation first, one nonce after the other, replacement of what is stuck."""

import threading
import time

import pytest

from offchain.chain.client import Chain
from offchain.chain.deployment import LOCAL, deploy
from offchain.chain.errors import MissingFunds, NonceTaken, Reverted, TransactionStuck
from offchain.chain.network import Network, from_provider
from offchain.chain.sender import FeePolicy

PATIENCE = FeePolicy(patience_seconds=0.3)


@pytest.fixture(scope="module")
def deployment(accounts, project):
    return deploy(accounts[0], LOCAL, project=project)


@pytest.fixture
def network(chain) -> Network:
    return from_provider(chain.provider)


@pytest.fixture
def owner(network, deployment) -> Chain:
    """The account that can mint the test token."""
    return Chain.open(network, deployment, network.load_signer("test:0"), PATIENCE)


@pytest.fixture
def no_mining(network):
    """Blocks are only mined when asked for."""
    network.web3.provider.make_request("evm_setAutomine", [False])
    yield
    network.web3.provider.make_request("evm_mine", [])
    network.web3.provider.make_request("evm_setAutomine", [True])


def mine_when_replaced(network, nonce: int) -> threading.Thread:
    """Mine once the pool has held two transactions of that nonce, one after the other."""
    sender = network.load_signer("test:0").address
    held = set()

    def mine():
        while len(held) < 2:
            time.sleep(0.02)
            answer = network.web3.provider.make_request("txpool_content", [])
            for account, pending in answer["result"]["pending"].items():
                if account.lower() == sender.lower() and str(nonce) in pending:
                    held.add(pending[str(nonce)]["hash"])
        network.web3.provider.make_request("evm_mine", [])

    thread = threading.Thread(target=mine)
    thread.start()
    return thread


def test_send__stuck__is_replaced_with_a_higher_fee(network, owner, no_mining):
    signer = owner.access.sender.signer
    nonce = network.web3.eth.get_transaction_count(signer.address)
    tip = network.web3.eth.max_priority_fee
    miner = mine_when_replaced(network, nonce)
    receipt = owner.token.mint(signer.address, 7)
    miner.join()
    assert network.web3.eth.get_transaction_count(signer.address) == nonce + 1
    assert owner.token.get_balance(signer.address) == 7
    # 15% more after every patience without a block.
    assert receipt.fee_wei // receipt.gas_used >= tip * 115 // 100


def test_send__dead_process_left_one_pending__takes_its_place(network, owner, no_mining):
    signer = owner.access.sender.signer
    nonce = network.web3.eth.get_transaction_count(signer.address)
    left = {"type": 2, "chainId": network.chain_id, "from": signer.address, "nonce": nonce}
    left |= {"to": signer.address, "value": 1, "gas": 21_000, "data": b""}
    left |= {"maxFeePerGas": 5 * 10**9, "maxPriorityFeePerGas": 2 * 10**9}
    network.web3.eth.send_raw_transaction(signer.sign(left))
    miner = mine_when_replaced(network, nonce)
    owner.token.mint(signer.address, 9)
    miner.join()
    assert network.web3.eth.get_transaction_count(signer.address) == nonce + 1
    assert owner.token.get_balance(signer.address) == 9


def test_send__nonce_used_by_another_program__says_so(network, owner, monkeypatch):
    sender = owner.access.sender
    owner.token.mint(sender.signer.address, 1)
    used = network.web3.eth.get_transaction_count(sender.signer.address) - 1
    monkeypatch.setattr(type(sender), "_get_first_free_nonce", lambda _: used, raising=True)
    with pytest.raises(NonceTaken, match=f"nonce {used} of 0x.* was used by another program"):
        owner.token.mint(sender.signer.address, 1)


def test_send__stuck_up_to_the_fee_limit__says_so(network, owner, deployment, no_mining):
    signer = network.load_signer("test:0")
    fees = FeePolicy(patience_seconds=0.1, fee_max_wei=12 * 10**8)
    poor = Chain.open(network, deployment, signer, fees)
    nonce = network.web3.eth.get_transaction_count(signer.address)
    with pytest.raises(TransactionStuck, match=f"nonce {nonce} of 0x.* is in no block at 1.2 gwei"):
        poor.token.mint(signer.address, 1)


def test_send__contract_refuses__reason_is_given_and_nothing_is_sent(network, owner):
    signer = owner.access.sender.signer
    nonce = network.web3.eth.get_transaction_count(signer.address)
    with pytest.raises(Reverted, match="^assign task 1: escrow: not posted$") as caught:
        owner.escrow.assign(1, bytes(32), 1)
    assert caught.value.reason == "escrow: not posted"
    assert network.web3.eth.get_transaction_count(signer.address) == nonce


def test_send__no_ether__says_what_the_gas_costs(network, deployment):
    stranger = network.load_signer("test:77")
    chain = Chain.open(network, deployment, stranger)
    with pytest.raises(MissingFunds, match="account 0x.* has 0.000000 ether, needs 0.0"):
        chain.token.ensure_allowance(chain.escrow.address, 1)
