# SPDX-License-Identifier: Apache-2.0
"""Placement of a packed design in an LFE5U-85F by its slowest paths (``docs/architecture.md``)."""
