# SPDX-License-Identifier: Apache-2.0
"""Stand-in cores with the ports of the fabric, for tests of the simulated board itself."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from host.contract.registers import REGISTERS

#: Answers of the registers the board and the links look at before anything else.
ID, VERSION, CONFIG_HASH = 0x54474154, 0x00010000, 0x12345678
ROWS = 64
DEPTH = 5


class Echo(wiring.Component):
    """Repeats a 16-byte record after `DEPTH` cycles as 64 bytes.

    The out record is the in record, the row of a memory that byte 2 names (0 once the memory is
    swept), its complement, and zeros. Registers: id, version, sizes, status, a 64-bit scratch, a
    count of records, and an array that holds 3 times its word address.
    """

    #: The memory is swept after reset.
    swept = True
    #: A waiting output is given up after a cycle.
    withdraws = False
    #: A waiting output changes.
    changes = False
    #: Input is never taken.
    deaf = False

    s_tdata: In(128)
    s_tvalid: In(1)
    s_tready: Out(1)
    m_tdata: Out(512)
    m_tvalid: Out(1)
    m_tready: In(1)
    reg_addr: In(9)
    reg_w_data: In(32)
    reg_w_en: In(1)
    reg_r_en: In(1)
    reg_r_data: Out(32)

    def __init__(self, config):
        self.config = config
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.rows = rows = memory.Memory(shape=32, depth=ROWS, init=[])
        write, read = rows.write_port(), rows.read_port()

        sweep = Signal(range(ROWS + 1))
        ready = Signal()
        m.d.comb += [ready.eq(sweep == ROWS), write.addr.eq(sweep), write.en.eq(0)]
        with m.If(~ready):
            m.d.sync += sweep.eq(sweep + 1)
            m.d.comb += write.en.eq(Const(int(self.swept), 1))

        stages = [Signal(128, name=f"stage{n}", reset_less=True) for n in range(DEPTH)]
        valid = Signal(DEPTH)
        row = Signal(32, reset_less=True)
        move = Signal()
        m.d.comb += [
            move.eq(~valid[-1] | self.m_tready),
            self.s_tready.eq(move & ready & Const(int(not self.deaf), 1)),
            read.addr.eq(stages[-3][16:24]),
            read.en.eq(move),
            self.m_tvalid.eq(valid[-1]),
            self.m_tdata.eq(Cat(stages[-1], row, Const(0, 96), ~stages[-1])),
        ]
        with m.If(move):
            m.d.sync += [
                Cat(*stages).eq(Cat(self.s_tdata, *stages[:-1])),
                valid.eq(Cat(self.s_tvalid & self.s_tready, valid[:-1])),
                row.eq(read.data),
            ]
        with m.Elif(Const(int(self.withdraws), 1)):
            m.d.sync += valid[-1].eq(0)
        with m.Elif(Const(int(self.changes), 1)):
            m.d.sync += stages[-1].eq(stages[-1] + 1)

        scratch, taken = Signal(64), Signal(32)
        m.d.sync += taken.eq(taken + (self.s_tvalid & self.s_tready))
        with m.If(self.reg_w_en), m.Switch(self.reg_addr):
            for half in (0, 1):
                with m.Case(13 + half):
                    m.d.sync += scratch.word_select(half, 32).eq(self.reg_w_data)
        with m.If(self.reg_r_en), m.Switch(self.reg_addr):
            answers = {0: ID, 1: VERSION, 2: CONFIG_HASH, 6: Mux(ready, 1, 0)}
            answers[REGISTERS["records_in"].address] = taken
            answers |= {3: self.config.symbols, 4: self.config.levels, 5: self.config.qty_bits}
            answers |= {13: scratch[:32], 14: scratch[32:]}
            for address, value in answers.items():
                with m.Case(address):
                    m.d.sync += self.reg_r_data.eq(value)
            with m.Default():
                m.d.sync += self.reg_r_data.eq(3 * self.reg_addr)
        with m.Else():
            m.d.sync += self.reg_r_data.eq(0xDEAD)
        return m


class Unswept(Echo):
    swept = False


class Withdrawing(Echo):
    withdraws = True


class Changing(Echo):
    changes = True


class Deaf(Echo):
    deaf = True
