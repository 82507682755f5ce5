# SPDX-License-Identifier: Apache-2.0
"""A hardware handoff file of the fabric beside a Zynq's processor, for simulation only.

PYNQ reads such a file beside each bitstream and finds in it what there is and where. For a board
Vivado writes its own, and only that one is true: it has what was built, and the addresses given.
"""

from dataclasses import asdict
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from hdl.config import BuildConfig
from hdl.regs.register import Access
from hdl.regs.table import addresses
from hdl.top_axi import STREAM_BITS, TOP_NAME

__all__ = ["DMA_BASE", "DMA_NAME", "TICKGATE_BASE", "TICKGATE_NAME", "VLNV", "WINDOW_BYTES", "hwh"]

#: Vendor, library, name and version of the fabric as an IP.
VLNV = f"tickgate.io:tickgate:{TOP_NAME}:1.0"
DMA_NAME, DMA_BASE = "axi_dma_0", 0x40400000
TICKGATE_NAME, TICKGATE_BASE = "tickgate_0", 0x43C00000
#: Bytes of addresses that each of them has.
WINDOW_BYTES = 1 << 16

_AXI = "xilinx.com:interface:aximm:1.0"
_PS, _PS_MASTER = "processing_system7_0", "M_AXI_GP0"
_ACCESS = {Access.RO: "read-only", Access.RW: "read-write", Access.WO: "write-only"}
#: What 1 GHz is divided by for each of four clocks, twice; the first is on and drives the fabric.
_DIVISORS = (5, 2)
_DMA = {
    **{"c_include_sg": 0, "c_micro_dma": 0, "c_sg_length_width": 26, "c_addr_width": 32},
    **{"c_include_mm2s": 1, "c_include_mm2s_dre": 0, "c_m_axi_mm2s_data_width": STREAM_BITS},
    **{"c_include_s2mm": 1, "c_include_s2mm_dre": 0, "c_m_axi_s2mm_data_width": STREAM_BITS},
}


def hwh(config: BuildConfig) -> str:
    """Text of the file: the processor, a DMA, and the fabric with its registers by name.

    Parameters
    ----------
    config : BuildConfig
        Sizes of the build; they are the parameters of the fabric.

    Notes
    -----
    An entry of an array of registers has its number behind the name.
    """
    root = Element("EDKSYSTEM", EDWVERSION="1.2", VIVADOVERSION="none")
    SubElement(root, "SYSTEMINFO", ARCH="zynq", DEVICE="7z020", NAME="tickgate")
    for name in ("EXTERNALPORTS", "EXTERNALINTERFACES"):
        SubElement(root, name)
    modules = SubElement(root, "MODULES")
    clocks = {f"PCW_FPGA_FCLK{clock}_ENABLE": int(clock == 0) for clock in range(4)}
    for clock in range(4):
        for number, divisor in enumerate(_DIVISORS):
            clocks[f"PCW_FCLK{clock}_PERIPHERAL_DIVISOR{number}"] = divisor
    parts = ((DMA_NAME, "S_AXI_LITE", DMA_BASE), (TICKGATE_NAME, "s_axi", TICKGATE_BASE))
    ps = _module(modules, _PS, "xilinx.com:ip:processing_system7:5.5", clocks, _PS_MASTER)
    memory = SubElement(ps, "MEMORYMAP")
    for name, port, base in parts:
        SubElement(
            memory,
            "MEMRANGE",
            ADDRESSBLOCK="Reg",
            BASEVALUE=f"{base:#010x}",
            HIGHVALUE=f"{base + WINDOW_BYTES - 1:#010x}",
            INSTANCE=name,
            MASTERBUSINTERFACE=_PS_MASTER,
            MEMTYPE="REGISTER",
            SLAVEBUSINTERFACE=port,
        )
    _module(modules, DMA_NAME, "xilinx.com:ip:axi_dma:7.1", _DMA, "S_AXI_LITE")
    sizes = {name: int(value) for name, value in asdict(config).items()}
    fabric = _module(modules, TICKGATE_NAME, VLNV, sizes, "s_axi")
    block = SubElement(
        SubElement(fabric, "ADDRESSBLOCKS"),
        "ADDRESSBLOCK",
        INTERFACE="s_axi",
        NAME="Reg",
        RANGE=str(WINDOW_BYTES),
        USAGE="register",
    )
    registers = SubElement(block, "REGISTERS")
    for register, address in addresses():
        for entry in range(register.length):
            name = register.name if register.length == 1 else f"{register.name}_{entry}"
            element = SubElement(registers, "REGISTER", NAME=name)
            for key, value in (
                ("DESCRIPTION", register.doc),
                ("ADDRESS_OFFSET", f"{4 * (address + entry):#x}"),
                ("SIZE", "32" if register.bits <= 32 else "64"),
                ("ACCESS", _ACCESS[register.access]),
                ("IS_ENABLED", "true"),
            ):
                SubElement(element, "PROPERTY", NAME=key, VALUE=value)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _module(
    modules: Element, name: str, vlnv: str, parameters: dict[str, int], port: str
) -> Element:
    kind = vlnv.split(":")[2]
    module = SubElement(
        modules, "MODULE", FULLNAME=f"/{name}", INSTANCE=name, MODTYPE=kind, VLNV=vlnv
    )
    values = SubElement(module, "PARAMETERS")
    for parameter, value in parameters.items():
        SubElement(values, "PARAMETER", NAME=parameter, VALUE=str(value))
    SubElement(module, "PORTS")
    SubElement(
        SubElement(module, "BUSINTERFACES"),
        "BUSINTERFACE",
        NAME=port,
        TYPE="MASTER" if name == _PS else "SLAVE",
        VLNV=_AXI,
    )
    return module
