"""A proof travels as bytes that only the verifier decodes."""

import boa

from offchain.chain.encoding import CONTEXT_WORDS, encode_proof
from protocol import moves
from protocol.descriptor import FieldDescriptor, Header, Location, OperatorDescriptor
from protocol.game import Level, Outcome, Stage
from protocol.instructions import Instruction, Opcode, Operand, Source
from protocol.opening import TensorOpening
from protocol.types import (
    FIELDS_MAX,
    INPUTS_MAX,
    INSTRUCTIONS_MAX,
    LEAF_BYTES,
    OPERATORS_MAX,
    PATH_MAX,
    RANK_MAX,
    Dtype,
    Root,
    compute_ceil_log2,
)
from protocol.views import contiguous
from tests.game_table import encode_arguments
from tests.unit.contracts.challenge_game.places import ADD, DOT

OTHER = Root(b"\x07" * 32)
PROOF_MAX = 17 * 2**10


def test_prove__bytes_that_do_not_decode__reverts(table):
    """The game passes the proof on as it is: cut, shifted or padded with nonsense in the wrong
    place it must be refused by whoever decodes it, and never be a verdict."""
    contract = table.contract
    game_id = table.open()
    table.advance(game_id, Level.CHUNK, Stage.PROVE, DOT)
    owed = table.owe(game_id)
    *before, proof = encode_arguments(owed)
    far = (2**255).to_bytes(32, "big")
    for bad in (
        b"",
        proof[:32],
        proof[:64],
        proof[: len(proof) // 2],
        proof[32:],
        far + proof[32:],
        proof[:32] + far + proof[64:],
        bytes(32) + proof[32:],
        bytes(len(proof)),
        b"\xff" * len(proof),
        bytes(32) + proof,
    ):
        with boa.reverts():
            contract.prove(game_id, *before, bad, sender=table.worker)
        table.check(game_id)
    with boa.reverts():
        contract.prove(game_id, *before, proof.ljust(PROOF_MAX + 1, b"\0"), sender=table.worker)
    # What stands behind the last word is nobody's, as in every call.
    contract.prove(game_id, *before, proof.ljust(PROOF_MAX, b"\0"), sender=table.worker)
    assert contract.game_of(game_id).outcome == Outcome.WORKER_WON


def test_prove__offset_into_the_context__opens_nothing_else(table):
    """Offsets count from the context, which the proof cannot change."""
    game_id = table.open()
    table.advance(game_id, Level.ELEMENT, Stage.PROVE, ADD)
    *before, proof = encode_arguments(table.owe(game_id))
    for place in (0, 32):
        for target in range(0, 32 * CONTEXT_WORDS, 32):
            bad = proof[:place] + target.to_bytes(32, "big") + proof[place + 32 :]
            with boa.reverts():
                table.contract.prove(game_id, *before, bad, sender=table.worker)
    table.check(game_id)


def test_prove__longest_proof__fits():
    """Three operands, two leaves each, and every path at the limit of the protocol's counts."""
    leaf_path = (OTHER,) * PATH_MAX
    opening = TensorOpening(
        OTHER,
        (OTHER,) * compute_ceil_log2(OPERATORS_MAX),
        (bytes(LEAF_BYTES),) * 2,
        (leaf_path, leaf_path),
    )
    shape = (1,) * RANK_MAX
    operand = Operand(Source.INPUT, 0, Dtype.I32, 1, contiguous(shape))
    location = Location(
        Header(1, 1, OTHER, 1, OTHER, 1, OTHER, 1),
        OperatorDescriptor(OTHER, 1, 1, (0,) * INPUTS_MAX),
        (OTHER,) * compute_ceil_log2(OPERATORS_MAX),
        Instruction(Opcode.MATCH_SUM, Dtype.I64, shape, (operand,) * 3, 1),
        (OTHER,) * compute_ceil_log2(INSTRUCTIONS_MAX),
        FieldDescriptor(1, 1, 1),
        (OTHER,) * compute_ceil_log2(FIELDS_MAX),
    )
    posted = moves.Posted(OTHER, OTHER, OTHER, OTHER)
    longest = moves.Prove(0, posted, moves.Agreed(), b"", location, (opening,) * 3)
    assert len(encode_proof(longest)) == PROOF_MAX
