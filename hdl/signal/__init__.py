# SPDX-License-Identifier: Apache-2.0
"""Signals computed from a book's view."""
