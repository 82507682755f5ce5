# SPDX-License-Identifier: Apache-2.0
"""Binary market data: frames made, read, carried to the board, and taken from the venue."""
