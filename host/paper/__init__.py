# SPDX-License-Identifier: Apache-2.0
"""A local exchange with Binance's interface whose market is a replayed capture.

It speaks the REST and WebSocket interfaces of spot and of USD-M futures as the venue documents
them (developers.binance.com), so that any client of the venue can be pointed at it. What it
models, and what it does not, is said in `host.paper.matching`, `host.paper.spot` and
`host.paper.usdm`.
"""
