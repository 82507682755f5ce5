# SPDX-License-Identifier: Apache-2.0
"""Boards: pins, clocks, and the top of the design on each."""
