# SPDX-License-Identifier: Apache-2.0
"""The pre-trade risk gate."""
