# SPDX-License-Identifier: Apache-2.0
"""Exchanges behind one small interface; `host.venues.ccxt_venue` reaches them through ccxt."""
