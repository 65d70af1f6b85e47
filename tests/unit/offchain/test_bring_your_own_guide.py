"""What docs/bring-your-own.md tells a newcomer to do, done to the letter."""

import re
import runpy
import shlex
import sys
from pathlib import Path

from click.testing import CliRunner

from offchain.cli import main

GUIDE = Path(__file__).parents[3] / "docs" / "bring-your-own.md"
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def run(line: str) -> str:
    """What `python FILE` or `crux ...` prints on standard output."""
    program, *arguments = shlex.split(line)
    if program == "python":
        runpy.run_path(arguments[0], run_name="__main__")
        return ""
    assert program == "crux"
    result = CliRunner(mix_stderr=False).invoke(main, arguments)
    assert result.exit_code == 0, result.stdout + result.stderr
    return result.stdout


def test_guide__followed_to_the_letter__learns_and_loads(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "spiral", raising=False)
    said: list[str] = []
    for language, text in BLOCK.findall(GUIDE.read_text(encoding="utf-8")):
        if language == "python":
            name = text.split("\n", 1)[0].removeprefix("# ")
            Path(name).write_text(text)
        else:
            said += map(run, text.replace("\\\n", "").splitlines())
    _, compiled, trained, _, _, again = said
    assert "fields: x -> forward(input), arm -> loss()" in compiled
    assert "1,200 records" in compiled and "loss 1." in trained
    assert int(capsys.readouterr().out.split("%")[0]) >= 90
    assert "weights after 2 steps" in again
    assert Path("spiral.svg").exists() and Path("spiral.csv").exists()
