# SPDX-License-Identifier: Apache-2.0
"""Tests, by the layer they belong to."""
