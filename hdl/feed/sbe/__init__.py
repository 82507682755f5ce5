# SPDX-License-Identifier: Apache-2.0
"""Decoder of Binance's SBE market data, generated from the schema."""
