# SPDX-License-Identifier: Apache-2.0
"""From a venue's messages, captured or live, to the fabric's input records."""
