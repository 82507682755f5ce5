#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every check that is not a test; runs all of them and fails when one does.

Run as ``python scripts/lint.py``, the same locally and in CI.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Largest file allowed in the tree, in bytes.
MAX_FILE_BYTES = 2_000_000
#: Files that carry an SPDX line: these suffixes and these names.
SOURCE_SUFFIXES = {".py", ".sh", ".cpp", ".h", ".v", ".sv", ".vlt", ".j2", ".tcl", ".toml", ".lock"}
SOURCE_NAMES = {"Makefile", ".gitignore", "run"}
COMMANDS = {
    "format": ["-m", "ruff", "format", "--check", "."],
    "style": ["-m", "ruff", "check", "."],
    "types": ["-m", "mypy"],
    "generated files": ["-m", "hdl.generate", "--check"],
}


def tree() -> list[Path]:
    """Files of the tree, tracked or about to be, relative to its top.

    Raises
    ------
    subprocess.CalledProcessError
        The tree is not a git checkout.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    out = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [path for name in sorted(set(out.split("\0"))) if (path := Path(name)).name]


def without_spdx(paths: list[Path], root: Path = ROOT) -> Iterator[str]:
    """Complaints about source files whose first lines name no licence."""
    for path in paths:
        if path.suffix not in SOURCE_SUFFIXES and path.name not in SOURCE_NAMES:
            continue
        with (root / path).open(encoding="utf-8") as file:
            first = file.readline()
            line = file.readline() if first.startswith("#!") else first
        if "SPDX-License-Identifier: Apache-2.0" not in line:
            yield f"{path}: expected an SPDX line on top, was {line.strip()[:60]!r}"


def too_large(paths: list[Path], root: Path = ROOT) -> Iterator[str]:
    """Complaints about files over `MAX_FILE_BYTES`."""
    for path in paths:
        size = (root / path).stat().st_size
        if size > MAX_FILE_BYTES:
            yield f"{path}: expected at most {MAX_FILE_BYTES} bytes, was {size}"


def main() -> int:
    """Run every check; 1 when any failed."""
    failed = []
    for name, arguments in COMMANDS.items():
        print(f"{name}: {' '.join(arguments[1:])}", flush=True)
        if subprocess.run([sys.executable, *arguments], cwd=ROOT).returncode:
            failed.append(name)
    paths = [path for path in tree() if (ROOT / path).is_file()]
    for name, complaints in (
        ("licence lines", list(without_spdx(paths))),
        ("file sizes", list(too_large(paths))),
    ):
        print(f"{name}: {len(paths)} files", flush=True)
        if complaints:
            failed.append(name)
            print("\n".join(complaints))
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
