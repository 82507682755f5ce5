# SPDX-License-Identifier: Apache-2.0
"""Feeds in their wire formats: bytes to messages, and bytes for the fabric to decode."""
