"""Task bundles: everything a task needs, or an error that names what is wrong."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from offchain.store import errors
from offchain.store.artifacts import Store
from offchain.store.bundles import Roots, load_bundle, save_bundle
from protocol import rejections
from protocol.execution import Dataset, compute_state_root
from protocol.types import Root
from protocol.validation import validate
from tests.programs import make_dataset, make_program, make_state
from tests.unit.offchain.store.conftest import corrupt

PROGRAM = make_program()
STATE = make_state(PROGRAM)
DATASET = make_dataset(PROGRAM, records=50)
BYTES = 4 * (6 + 1) + 4 * 50 * (3 + 2)


@dataclass(frozen=True)
class Terms:
    program_root: Root
    genesis_root: Root
    dataset_root: Root
    records: int = 50
    segments: int = 3
    segment_length: int = 8


def save(store: Store) -> Terms:
    roots = save_bundle(store, PROGRAM, STATE, DATASET)
    return Terms(roots.program, roots.genesis, roots.dataset)


def test_save_bundle__any_task__is_named_by_the_roots_of_the_chain(store: Store) -> None:
    roots = save_bundle(store, PROGRAM, STATE, DATASET)
    assert roots == Roots(PROGRAM.root, compute_state_root(STATE), DATASET.root)


def test_load_bundle__saved_task__is_whole(store: Store) -> None:
    bundle = load_bundle(store, save(store), max_bytes=BYTES)
    assert bundle.program == PROGRAM and bundle.cost == validate(PROGRAM)
    assert compute_state_root(bundle.genesis) == compute_state_root(STATE)
    assert bundle.genesis[1].shape == ()
    assert bundle.dataset.root == DATASET.root and bundle.dataset.records == 50


def test_load_bundle__more_bytes_than_accepted__fetches_nothing(store: Store) -> None:
    terms = replace(save(store), genesis_root=Root(bytes(32)), dataset_root=Root(bytes(32)))
    with pytest.raises(errors.ArtifactTooLarge, match=f"{BYTES} bytes .* limit {BYTES - 1}"):
        load_bundle(store, terms, max_bytes=BYTES - 1)
    with pytest.raises(errors.ArtifactMissing):
        load_bundle(store, terms, max_bytes=BYTES)


@pytest.mark.parametrize("name", ["program_root", "genesis_root", "dataset_root"])
def test_load_bundle__unknown_root__is_missing(store: Store, name: str) -> None:
    terms = replace(save(store), **{name: Root(b"\x09" * 32)})
    with pytest.raises(errors.ArtifactMissing, match="09" * 32):
        load_bundle(store, terms, max_bytes=BYTES)


def test_load_bundle__records_that_the_dataset_does_not_have__are_refused(store: Store) -> None:
    terms = save(store)
    for records in (49, 51):
        with pytest.raises(errors.ArtifactMissing):
            load_bundle(store, replace(terms, records=records), max_bytes=2**20)


def test_load_bundle__terms_out_of_range__are_refused(store: Store) -> None:
    terms = save(store)
    for change in ({"records": 0}, {"segments": 0}, {"segment_length": 2**21}):
        with pytest.raises(rejections.InvalidTask):
            load_bundle(store, replace(terms, **change), max_bytes=2**20)


def test_load_bundle__genesis_of_another_run__is_not_taken_for_this_one(store: Store) -> None:
    terms = save(store)
    other = store.put_state(make_state(PROGRAM, seed=8))
    data = b"".join(store.files.read_blocks(f"vectors/{other.hex()}", 0, 64))
    corrupt(store, f"vectors/{terms.genesis_root.hex()}", data)
    with pytest.raises(errors.WrongHash):
        load_bundle(store, terms, max_bytes=BYTES)


def test_save_bundle__tensors_that_do_not_fit__are_refused(store: Store) -> None:
    with pytest.raises(errors.WrongTensor, match="slot weight: float64"):
        save_bundle(store, PROGRAM, (STATE[0].astype(np.float64), STATE[1]), DATASET)
    with pytest.raises(errors.WrongTensor, match=r"slot counter: int32 \(1,\)"):
        save_bundle(store, PROGRAM, (STATE[0], STATE[1].reshape(1)), DATASET)
    short = Dataset((DATASET.fields[0][:-1], DATASET.fields[1]), 50)
    with pytest.raises(errors.WrongTensor, match="field x"):
        save_bundle(store, PROGRAM, STATE, short)
    with pytest.raises(errors.WrongTensor, match="1 tensors for 2 slots"):
        save_bundle(store, PROGRAM, STATE[:1], DATASET)


def test_save_bundle__invalid_program__stores_nothing(store: Store) -> None:
    with pytest.raises(rejections.InvalidProgram):
        save_bundle(store, replace(PROGRAM, rows=0), STATE, DATASET)
    assert not store.files.exists(f"programs/{PROGRAM.root.hex()}")
