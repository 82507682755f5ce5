#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes requirements.lock: one pin for each package and range of Python versions.

Run by ``make lock``, which brings uv. No address and no hash is written, so that the lock holds on
every mirror of the package index.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Extras that ``make sim``, ``make test`` and ``make lint`` need.
EXTRAS = ("sim", "report", "captures", "uart", "exchange", "model", "dev")
HEADER = f"""\
# SPDX-License-Identifier: Apache-2.0
# Made by `make lock` (scripts/lock.py, uv pip compile --universal) from pyproject.toml,
# extras {", ".join(EXTRAS)}; do not edit.
"""


def main() -> int:
    """Resolve, and write the lock.

    Raises
    ------
    subprocess.CalledProcessError
        The resolver found no solution; it has said why.
    """
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"]
    command += ["--python-version", "3.10", "--no-python-downloads", "--upgrade"]
    command += ["--no-header", "--no-annotate"]
    for extra in EXTRAS:
        command += ["--extra", extra]
    command += ["pyproject.toml"]
    pins = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    (ROOT / "requirements.lock").write_text(HEADER + pins)
    print(f"requirements.lock: {len(pins.splitlines())} pins")
    return 0


if __name__ == "__main__":
    sys.exit(main())
