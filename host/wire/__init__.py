# SPDX-License-Identifier: Apache-2.0
"""Binary wires of exchanges: Binance SBE and NASDAQ ITCH, for replay and live streams."""
