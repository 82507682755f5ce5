# SPDX-License-Identifier: Apache-2.0
"""Replays captures through a board, checks every answer, and writes what came of it."""
