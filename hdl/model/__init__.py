# SPDX-License-Identifier: Apache-2.0
"""A forest of boosted trees, and how it is loaded."""
