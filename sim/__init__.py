# SPDX-License-Identifier: Apache-2.0
"""The simulated board: the fabric's Verilog, compiled and bound to Python."""
