# SPDX-License-Identifier: Apache-2.0
"""Decoders: from the wire to the pipeline's tokens."""
