# SPDX-License-Identifier: Apache-2.0
"""Risk on the host: sizes, budgets, windows and accounts. What holds them is the fabric's gate."""
