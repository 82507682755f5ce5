# SPDX-License-Identifier: Apache-2.0
"""Models: read, quantised, loaded into a board, and trained."""
