# SPDX-License-Identifier: Apache-2.0
"""The register table and its bus-neutral bank."""
