# SPDX-License-Identifier: Apache-2.0
"""The host driver of tickgate; needs neither Amaranth nor Verilator."""
