"""A deployment on ape's chain, and a terminal to use it from."""

import pytest

from tests.terminal import Terminal


@pytest.fixture
def terminal(chain, tmp_path) -> Terminal:
    terminal = Terminal(chain.provider.http_uri, tmp_path)
    funds = [part for n in range(4) for part in ("--fund", f"test:{n}=100")]
    result = terminal.run("deploy", "--account", "test:0", "--parameters", "local", *funds)
    assert result.exit_code == 0, result.output
    return terminal
