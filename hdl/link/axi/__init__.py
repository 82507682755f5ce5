# SPDX-License-Identifier: Apache-2.0
"""Ends of AXI: registers, streams, memory."""
