# SPDX-License-Identifier: Apache-2.0
"""From signals to intents."""
