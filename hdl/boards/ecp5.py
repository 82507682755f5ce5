# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline on an ECP5 board: PLL, serial link, lamps, kill input."""

from typing import NamedTuple

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import In, Out

from hdl.boards.board import Board, Pin
from hdl.top_uart import UartTop

__all__ = ["TOP_NAME", "Ecp5Top", "Pll", "constraints", "pll"]

TOP_NAME = "top"
#: What the part's data sheet allows, Hz.
_DETECTOR_HZ = (3_125_000, 400_000_000)
_OSCILLATOR_HZ = (400_000_000, 800_000_000)
_DIVIDERS = range(1, 129)


class Pll(NamedTuple):
    """Dividers of an EHXPLLL that feeds its own output back.

    The output is the input by `input_div`, times `feedback_div`; the oscillator inside runs
    `output_div` times as fast.
    """

    input_div: int
    feedback_div: int
    output_div: int


def pll(input_hz: int, output_hz: int) -> Pll:
    """Dividers that give a rate exactly, with the fastest phase detector.

    Raises
    ------
    ValueError
        There are none.
    """
    for input_div in _DIVIDERS:
        for feedback_div in _DIVIDERS:
            if input_hz * feedback_div != output_hz * input_div:
                continue
            if not _DETECTOR_HZ[0] <= input_hz // input_div <= _DETECTOR_HZ[1]:
                continue
            for output_div in reversed(_DIVIDERS):
                if _OSCILLATOR_HZ[0] <= output_hz * output_div <= _OSCILLATOR_HZ[1]:
                    return Pll(input_div, feedback_div, output_div)
    raise ValueError(f"PLL: expected a rate that {input_hz} Hz gives exactly, was {output_hz} Hz")


class Ecp5Top(wiring.Component):
    """`UartTop` behind a PLL, on the pins of a board.

    The fabric is held in reset until the PLL has locked.

    Parameters
    ----------
    board : Board
        The board.

    Members
    -------
    clock : In(1)
        Oscillator.
    rx : In(1), tx : Out(1)
        Serial port, seen from the board.
    kill : In(1)
        Kill input, at the pin's own polarity.
    lamps : Out(4)
        `hdl.pipeline.LAMPS`, at the pins' own polarity.
    high : Out
        Pins that are held at 1, where the board has any.
    """

    def __init__(self, board: Board) -> None:
        self.board = board
        members = {"clock": In(1), "rx": In(1), "tx": Out(1), "kill": In(1), "lamps": Out(4)}
        if board.high:
            members["high"] = Out(len(board.high))
        super().__init__(members)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        board = self.board
        dividers = pll(board.oscillator_hz, board.clock_hz)
        m.domains.sync = ClockDomain("sync")
        locked, clock = Signal(), Signal()
        m.submodules.pll = Instance(
            "EHXPLLL",
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA",
            p_CLKOP_ENABLE="ENABLED",
            p_CLKI_DIV=dividers.input_div,
            p_CLKFB_DIV=dividers.feedback_div,
            p_CLKOP_DIV=dividers.output_div,
            p_CLKOP_CPHASE=dividers.output_div - 1,
            p_CLKOP_FPHASE=0,
            p_FEEDBK_PATH="CLKOP",
            i_CLKI=self.clock,
            i_CLKFB=clock,
            i_RST=0,
            i_STDBY=0,
            i_PHASESEL0=0,
            i_PHASESEL1=0,
            i_PHASEDIR=0,
            i_PHASESTEP=0,
            i_PHASELOADREG=0,
            i_PLLWAKESYNC=0,
            i_ENCLKOP=1,
            o_CLKOP=clock,
            o_LOCK=locked,
        )
        m.submodules.reset_sync = ResetSynchronizer(~locked, domain="sync")
        fabric = UartTop(board.config, board.clock_hz, board.baud, pins=True)
        m.submodules.fabric = fabric
        m.d.comb += [
            ClockSignal().eq(clock),
            fabric.rx.eq(self.rx),
            self.tx.eq(fabric.tx),
            fabric.kill_pin.eq(self.kill ^ board.kill.inverted),
            self.lamps.eq(fabric.lamps.as_value() ^ Cat(pin.inverted for pin in board.lamps)),
        ]
        if board.high:
            m.d.comb += self.high.eq((1 << len(board.high)) - 1)
        return m


def constraints(board: Board) -> str:
    """Pins and clock in nextpnr's LPF."""
    pins: dict[str, Pin] = {
        "clock": board.clock,
        "rx": board.rx,
        "tx": board.tx,
        "kill": board.kill,
        **{f"lamps[{at}]": pin for at, pin in enumerate(board.lamps)},
    }
    single = len(board.high) == 1
    pins |= {"high" if single else f"high[{at}]": pin for at, pin in enumerate(board.high)}
    lines = []
    for name, pin in pins.items():
        settings = " ".join(("IO_TYPE=LVCMOS33", *pin.attributes))
        lines += [f'LOCATE COMP "{name}" SITE "{pin.site}";', f'IOBUF PORT "{name}" {settings};']
    lines.append(f'FREQUENCY PORT "clock" {board.oscillator_hz} HZ;')
    return "\n".join(lines) + "\n"
