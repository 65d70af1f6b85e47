"""Each mutated contract of the list is caught by sequences of calls against the model."""

import re

import pytest

from tests.economy import CONTRACTS
from tests.property.economy.mutations import MUTATIONS, Mutation, catch, compute_mutant

# Of the registry, escrow, vault, splitter, lottery, availability and beacons; the games' own
# invariants have tests of their own, but for the bonds.
OF_THE_ECONOMY = re.compile(r"^\| ([NEVRLDB]\d+|G[678]) \|", re.MULTILINE)
SAMPLE = MUTATIONS[::9]


def name_mutation(mutation: Mutation) -> str:
    return mutation.name


@pytest.mark.parametrize("mutation", MUTATIONS, ids=name_mutation)
def test_mutation__text_it_replaces__is_there_once(mutation):
    assert compute_mutant(mutation) != (CONTRACTS / mutation.path).read_text()


def test_mutations__invariants_of_the_economy__all_have_one():
    promised = OF_THE_ECONOMY.findall((CONTRACTS.parent / "protocol/INVARIANTS.md").read_text())
    broken = {number for mutation in MUTATIONS for number in mutation.invariants.split()}
    assert len(promised) > 30 and set(promised) == broken, set(promised) ^ broken


@pytest.mark.parametrize("mutation", SAMPLE, ids=name_mutation)
def test_catch__some_mutations__are_caught(mutation):
    assert catch(mutation)


@pytest.mark.long
@pytest.mark.parametrize("mutation", MUTATIONS, ids=name_mutation)
def test_catch__any_mutation__is_caught(mutation):
    assert catch(mutation)
