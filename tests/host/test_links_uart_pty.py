# SPDX-License-Identifier: Apache-2.0
"""The serial link through pyserial and a pseudo-terminal whose other end are the board's pins."""

import subprocess
import sys

import pytest

from host.links import open_link
from host.links.base import LinkError
from sim.compare import compare
from sim.reference import Reference
from sim.stimulus import random_stream
from tests.host.test_links_uart import CONFIG, SIZES, load, look, rows, views

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("uart")]
#: Only a bound for a link that hangs: the simulated board is slower than a real one.
TIMEOUT_S = 20


class BridgeProcess:
    """`sim.uart_bridge` in a process of its own."""

    def __init__(self, path):
        sizes = [f"--{name}={getattr(CONFIG, name)}" for name in ("symbols", "levels", "qty_bits")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sim.uart_bridge", str(path), *sizes],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n"

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0
        self.process.stdout.close()


@pytest.fixture
def bridge(tmp_path):
    pytest.importorskip("serial")
    bridge = BridgeProcess(tmp_path / "tty")
    bridge.path = str(tmp_path / "tty")
    yield bridge
    bridge.close()


def test_a_run_over_the_terminal_gives_what_the_reference_gives(bridge):
    with open_link("uart", port=bridge.path, timeout_s=TIMEOUT_S) as link:
        assert link.identify()[1:] == SIZES
        model = Reference(*SIZES)
        clears = [(1, s, side) for s in range(CONFIG.symbols) for side in (0, 1)]
        model.feed(rows(*((3, 0x10 | side, s, 0, 0, 0) for _, s, side in clears)))
        for name, value in (("report", 3), ("levels_n", 2), ("refill_level", 3)):
            link.write(name, value)
            model.write(name, value)
        records = random_stream(11, 300, *SIZES)
        result = compare(model.feed(records), link.transfer(records))
        assert result.equal, str(result)
        assert link.losses == (0, 0, 0, 0, 0, 0)


def test_unplug_and_replug_and_noise_over_the_terminal(bridge):
    link = open_link("uart", port=bridge.path, timeout_s=TIMEOUT_S)
    link.write("report", 1)
    link.write("levels_n", 1)
    link.transfer(load())
    assert bridge.tell("unplug") == "done"
    with pytest.raises(LinkError):
        link.transfer(look(1))
    with pytest.raises(LinkError, match="tty"):
        link.reconnect()
    assert bridge.tell("plug") == "done"
    link.reconnect()
    out = link.transfer(look(2))
    assert all(int(each) & 8 for each in views(out)["reasons"]), "every symbol is marked gap"
    out = link.transfer(load())
    out = link.transfer(look(3))
    assert not views(out)["reasons"].any()
    link.close()
