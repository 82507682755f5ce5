# SPDX-License-Identifier: Apache-2.0
"""The long soak of the serial link: ``python -m tests.host.soak_uart [--records N]``."""

import argparse
import sys

from tests.host.test_links_uart import soak


def main():
    """Run it and print what happened; an assertion fails when anything harmed was applied."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--share", type=float, default=0.0005, help="of the bytes that are harmed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--brief", action="store_true", help="four clocks a bit: half the time")
    chosen = parser.parse_args()
    losses, valid, silent, again = soak(chosen.records, chosen.share, chosen.seed, chosen.brief)
    print(f"{chosen.records} records, seed {chosen.seed}, {chosen.share:.4%} of the bytes harmed")
    print(f"since the last session began: {losses}")
    print(f"views: {valid} valid, each the book its batch loaded; {silent} silent")
    print(f"sessions begun again after a request without an answer: {again}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
