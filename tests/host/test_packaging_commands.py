# SPDX-License-Identifier: Apache-2.0
"""The commands a newcomer types, on a machine that lacks something."""

import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("python3", "g++", "make", "perl", "git")
PACKAGES = {"python3": "python3", "g++": "g++", "make": "make", "perl": "perl", "git": "git"}


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder to be the whole PATH: every tool that is checked for, and what make needs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "awk", "g++", "make", "perl", "git"):
        found = shutil.which(name)
        assert found, f"the tests need {name}"
        (folder / name).symlink_to(found)
    script(folder / "python3", f'exec "{sys.executable}" "$@"')
    return folder


def preflight(path: Path) -> "subprocess.CompletedProcess[str]":
    command = ["/bin/sh", str(ROOT / "scripts" / "preflight.sh")]
    return subprocess.run(command, env={"PATH": str(path)}, capture_output=True, text=True)


def make(path: Path, cwd: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(path / "make"), *arguments]
    return subprocess.run(command, cwd=cwd, env={"PATH": str(path)}, capture_output=True, text=True)


def test_preflight_is_silent_where_every_tool_is_there(machine: Path) -> None:
    run = preflight(machine)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.parametrize("tool", TOOLS)
def test_preflight_names_a_missing_tool_and_its_package_in_one_line(
    machine: Path, tool: str
) -> None:
    (machine / tool).unlink()
    run = preflight(machine)
    assert run.returncode == 1
    assert run.stderr == ""
    assert len(run.stdout.splitlines()) == 1
    assert f"missing {tool} (package {PACKAGES[tool]}):" in run.stdout


def test_preflight_names_several_missing_tools_in_one_line(machine: Path) -> None:
    for tool in ("g++", "perl"):
        (machine / tool).unlink()
    run = preflight(machine)
    assert run.returncode == 1
    assert run.stdout.startswith("missing g++ (package g++), perl (package perl):")
    assert len(run.stdout.splitlines()) == 1


def test_preflight_names_the_venv_package_where_ensurepip_is_missing(machine: Path) -> None:
    # Debian's python3 without python3-venv: the interpreter runs, `import ensurepip` fails.
    script(machine / "python3", 'case "$2" in *ensurepip*) exit 1;; esac')
    run = preflight(machine)
    assert run.returncode == 1
    assert run.stdout.startswith("missing ensurepip of python3 (package python3-venv):")
    assert len(run.stdout.splitlines()) == 1


def test_preflight_refuses_a_python_before_3_10(machine: Path) -> None:
    script(machine / "python3", 'case "$2" in *version_info*) exit 1;; esac')
    run = preflight(machine)
    assert run.returncode == 1
    assert run.stdout.startswith("missing Python 3.10 or later as python3 (package python3):")


@pytest.mark.parametrize("target", ["sim", "test", "formal", "bench", "lint"])
def test_make_says_one_line_and_starts_nothing_when_a_tool_is_missing(
    machine: Path, tmp_path: Path, target: str
) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "scripts").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "scripts/preflight.sh"):
        shutil.copy(ROOT / name, checkout / name)
    (machine / "g++").unlink()
    run = make(machine, checkout, target)
    assert run.returncode == 2
    lines = (run.stdout + run.stderr).splitlines()
    assert len(lines) == 1, lines
    assert "missing g++ (package g++)" in lines[0]
    assert not (checkout / ".venv").exists()


def test_make_alone_lists_every_public_target(machine: Path) -> None:
    run = make(machine, ROOT)
    listed = re.findall(r"^  make (\S+) +\S", run.stdout, re.M)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert phony
    assert run.returncode == 0
    assert set(listed) == set(phony[1].split()) - {"preflight"}


def test_lint_names_a_source_file_without_licence_line_and_a_file_that_is_too_large(
    tmp_path: Path,
) -> None:
    spec = importlib.util.spec_from_file_location("lint", ROOT / "scripts" / "lint.py")
    assert spec and spec.loader
    lint = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lint)
    (tmp_path / "good.py").write_text("#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n")
    (tmp_path / "bad.py").write_text('"""No licence."""\n')
    (tmp_path / "capture.gz").write_bytes(bytes(2_000_001))
    paths = [Path(name) for name in ("good.py", "bad.py", "capture.gz")]
    assert list(lint.without_spdx(paths, tmp_path)) == [
        'bad.py: expected an SPDX line on top, was \'"""No licence."""\''
    ]
    assert list(lint.too_large(paths, tmp_path)) == [
        "capture.gz: expected at most 2000000 bytes, was 2000001"
    ]


def test_licence_is_the_apache_text_word_for_word() -> None:
    # The digest of https://www.apache.org/licenses/LICENSE-2.0.txt.
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def test_scripts_can_be_run_as_they_lie() -> None:
    for name in (".ci/run", "scripts/preflight.sh", "scripts/lint.py", "scripts/make_slice.py"):
        assert os.access(ROOT / name, os.X_OK), name
