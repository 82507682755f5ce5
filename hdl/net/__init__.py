# SPDX-License-Identifier: Apache-2.0
"""The network: frames from a MAC to payloads, lines A and B to one, decisions to frames."""
