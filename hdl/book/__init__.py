# SPDX-License-Identifier: Apache-2.0
"""The order book: exact or silent."""
