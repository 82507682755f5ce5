# SPDX-License-Identifier: Apache-2.0
"""The fabric's edges: what goes out to the host."""
