# SPDX-License-Identifier: Apache-2.0
"""The link over two wires: bytes, frames, records and registers."""
