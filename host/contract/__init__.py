# SPDX-License-Identifier: Apache-2.0
"""Generated: record layouts and registers, the host's side of the contract."""
