# SPDX-License-Identifier: Apache-2.0
"""NASDAQ TotalView-ITCH 5.0 over MoldUDP64: packets in, records of the host's kind out."""
