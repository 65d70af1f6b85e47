"""What a user gets wrong is one line on stderr and an exit code, never a traceback."""

import json

import pytest
from click.testing import CliRunner, Result

from offchain.chain.errors import WrongNetwork
from offchain.cli import COMMANDS, is_user_error, main
from offchain.cli.options import DURATION
from offchain.store.errors import WrongHash
from protocol.rejections import InvalidProgram


def invoke(*arguments: str) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, list(arguments))


def check_refused(result: Result, message: str) -> None:
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_help__lists_every_verb():
    result = invoke("--help")
    assert result.exit_code == 0
    assert all(f"  {name} " in result.stdout for name in COMMANDS)


def test_unknown_verb__usage_error():
    assert invoke("mine").exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("fetch", "1"),
        ("disputes", "list"),
        ("worker", "--account", "test:1", "--once"),
        ("challenger", "--account", "test:1", "--once"),
        ("auditor", "--account", "test:1", "--once"),
        ("nodes",),
        ("audits",),
        ("settle", "1", "--account", "test:1"),
        ("cancel", "1", "--account", "test:1"),
        ("withdraw", "--account", "test:1"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_verb__no_manifest__names_the_file_and_the_way_out(tmp_path, arguments):
    manifest = tmp_path / "deployment.json"
    result = invoke(*arguments, "--manifest", str(manifest))
    check_refused(result, f"{manifest}: No such file or directory; `crux deploy` writes it")


def test_status__broken_manifest__names_what_is_missing(tmp_path):
    manifest = tmp_path / "deployment.json"
    manifest.write_text(json.dumps({"version": 2}))
    check_refused(invoke("status", "--manifest", str(manifest)), "name is missing")


def test_deploy__manifest_exists__stays_as_it_was(tmp_path):
    manifest = tmp_path / "deployment.json"
    manifest.write_text("mine")
    result = invoke("deploy", "--account", "test:0", "--manifest", str(manifest))
    assert result.exit_code == 2 and "exists" in result.stderr
    assert manifest.read_text() == "mine"


SUBMIT = ("--account", "test:0", "--steps", "8", "--reward", "1", "--stake", "1")


def test_submit__no_task_file__names_it(tmp_path):
    path = tmp_path / "task.json"
    check_refused(invoke("submit", str(path), *SUBMIT), f"{path}: no such file")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"program_root": "zz"}'])
def test_submit__no_task_in_the_file__names_it(tmp_path, content):
    path = tmp_path / "task.json"
    path.write_text(content)
    check_refused(invoke("submit", str(path), *SUBMIT), f"{path}: not written by `crux compile`")


def test_submit__program_is_not_in_the_store__names_it(tmp_path):
    path = tmp_path / "task.json"
    roots = {f"{name}_root": "11" * 32 for name in ("program", "genesis", "dataset")}
    path.write_text(json.dumps({**roots, "records": 5}))
    result = invoke("submit", str(path), *SUBMIT, "--store", str(tmp_path / "store"))
    check_refused(result, f"programs/{'11' * 32}: not there")


@pytest.mark.parametrize(
    "extra",
    [
        ("--segments", "3"),
        ("--seed", "abc"),
        ("--share", "nobody:10"),
        ("--reward",),
        ("--min-reward", "1"),
        ("--lease", "soon"),
        ("--attestations", "-1"),
    ],
    ids=["segments", "seed", "share", "reward", "min-reward", "lease", "attestations"],
)
def test_submit__wrong_arguments__usage_error(tmp_path, extra):
    path = tmp_path / "task.json"
    roots = {f"{name}_root": "11" * 32 for name in ("program", "genesis", "dataset")}
    path.write_text(json.dumps({**roots, "records": 5}))
    assert invoke("submit", str(path), *SUBMIT, *extra).exit_code == 2


@pytest.mark.parametrize(
    "extra",
    [
        (),
        ("--role", "worker", "--retire"),
        ("--role", "referee"),
        ("--role", "worker", "--payout", "somebody"),
        ("--role", "worker", "--conformance", "12"),
        ("--role", "worker", "--for", f"0x{1:040x}"),
        ("--retire", "--for", "somebody"),
    ],
    ids=["role", "retire", "unknown role", "payout", "conformance", "for", "nobody"],
)
def test_register__wrong_arguments__usage_error(tmp_path, extra):
    assert invoke("register", "--account", "test:0", *extra).exit_code == 2


@pytest.mark.parametrize("extra", [(), ("5", "--for", f"0x{1:040x}")], ids=["amount", "for"])
def test_stake__audits_of_nothing_or_for_others__usage_error(tmp_path, extra):
    assert invoke("stake", *extra, "--audits", "--account", "test:0").exit_code == 2


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1_800), ("1.5h", 5_400), ("7d", 604_800)]
)
def test_duration__numbers_and_units__are_seconds(text, seconds):
    assert DURATION.convert(text, None, None) == seconds


def test_demo__folder_of_something_else__is_left_alone(tmp_path):
    keep = tmp_path / "thesis.tex"
    keep.write_text("years of work")
    result = invoke("demo", "--folder", str(tmp_path))
    assert result.exit_code == 2 and "no folder of an earlier demo" in result.stderr
    assert keep.read_text() == "years of work"


@pytest.mark.parametrize(
    "error", [WrongNetwork("x"), WrongHash("x"), InvalidProgram("x"), FileNotFoundError("x")]
)
def test_is_user_error__what_a_user_can_put_right__is_one(error):
    assert is_user_error(error)


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), AssertionError("x")])
def test_is_user_error__fault_of_the_program__is_none(error):
    assert not is_user_error(error)
