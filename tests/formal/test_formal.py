# SPDX-License-Identifier: Apache-2.0
"""The short share of the proofs (``make formal`` runs all)."""

import pytest

from tests.formal.kit import Proof
from tests.formal.run import all_proofs, run_proof

QUICK = [proof for proof in all_proofs() if proof.quick]


@pytest.mark.slow
@pytest.mark.xdist_group("formal")
@pytest.mark.parametrize("proof", QUICK, ids=lambda proof: proof.name)
def test_is_proved_and_not_vacuous(proof: Proof) -> None:
    assert run_proof(proof)["wrong"] == []
