"""`crux disputes` about a dispute that has been played."""

import json

from click.testing import CliRunner

from offchain.agents.faults import build_lies
from offchain.chain.records import Terms
from offchain.cli import main
from offchain.demo import acts
from offchain.demo.town import Town
from tests.small_run import LIE_STEP, MOMENT, PARAMETER


def ignore(done, steps, reported):
    """Nobody looks at the progress."""


def run(town: Town, chain, *arguments: str):
    environment = {
        "CRUX_NETWORK": chain.provider.http_uri,
        "CRUX_MANIFEST": str(town.folder / "deployment.json"),
        "CRUX_STORE": town.store.files.url,
    }
    runner = CliRunner(mix_stderr=False)
    result = runner.invoke(main, ["disputes", *arguments], env=environment)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_disputes__after_a_lie__tell_where_it_was_and_who_was_right(
    town: Town, terms: Terms, chain
):
    lies = {lie.name: lie for lie in build_lies(LIE_STEP, PARAMETER, MOMENT, "matmul")}
    dispute = acts.run_lie(town, terms, lies["bit"], ignore)

    (listed,) = json.loads(run(town, chain, "list", "--json"))
    assert (listed["game"], listed["outcome"]) == (1, "challenger won")

    shown = json.loads(run(town, chain, "show", "1", "--json"))
    path = {place["level"]: place["words"] for place in shown["path"]}
    assert path["slot"] == PARAMETER
    assert path["operator"].startswith(f"{dispute.view.game.indices[3]}: add")
    events = [event["event"] for event in shown["events"]]
    assert events[0] == "GameOpened" and set(events[-3:]) == {"Proved", "GameEnded", "BondSettled"}
    assert PARAMETER in run(town, chain, "show", "1")

    home = str(town.folder / "replay")
    replayed = json.loads(run(town, chain, "replay", "1", "--json", "--home", home))
    assert replayed["chain_is_right"] is True
    assert replayed["own"] == replayed["computed"] != replayed["claimed"]
