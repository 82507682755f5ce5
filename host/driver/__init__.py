# SPDX-License-Identifier: Apache-2.0
"""From the fabric's decisions to orders at an exchange, and back."""
