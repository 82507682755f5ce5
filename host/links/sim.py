# SPDX-License-Identifier: Apache-2.0
"""The link to the simulated board; the only part of the host that needs the package ``sim``."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from host.links.base import Link, LinkError

if TYPE_CHECKING:
    from sim.board import Board

__all__ = ["SimLink"]


class SimLink(Link):
    """A simulated board; no hardware needed.

    Parameters
    ----------
    board : sim.board.Board or None
        A board that is open already; the link closes it. None: one is made from the options.
    trace : bool
        Build with wave dumps, see `sim.board.Board.wave`.
    random_init : int or None
        Seed of the rubbish in memories at power-up; None: zeros.
    stalls : tuple of int or None
        Random pauses: seed, share of the cycles on the input and on the output, per mille.
    **sizes : int or bool
        Fields of the build: ``symbols``, ``levels``, ``qty_bits``, ``result_depth``, ``sbe``.

    Raises
    ------
    LinkError
        The board cannot be built or does not start.
    """

    def __init__(
        self,
        board: "Board | None" = None,
        *,
        trace: bool = False,
        random_init: int | None = None,
        stalls: tuple[int, int, int] | None = None,
        **sizes: Any,
    ) -> None:
        from sim.board import Board, BoardError, BuildConfig, Stalls
        from sim.build import BuildError

        self._error = BoardError
        if board is None:
            try:
                config = BuildConfig(**sizes)
            except (TypeError, ValueError) as error:
                raise LinkError(f"link sim: {error}") from error
            try:
                board = Board(
                    config,
                    trace=trace,
                    random_init=random_init,
                    stalls=None if stalls is None else Stalls(*stalls),
                )
            except (BuildError, BoardError) as error:
                raise LinkError(f"link sim: {error}") from error
        self.board = board

    def read_word(self, address: int) -> int:
        """Read the 32-bit word at a word address."""
        try:
            return self.board.read_word(address)
        except self._error as error:
            raise LinkError(f"link sim: {error}") from error

    def write_word(self, address: int, value: int) -> None:
        """Write the 32-bit word at a word address."""
        try:
            self.board.write_word(address, value)
        except self._error as error:
            raise LinkError(f"link sim: {error}") from error

    def transfer(self, records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Send records and take everything the board answers; see `Link.transfer`."""
        try:
            return self.board.transfer(records)
        except self._error as error:
            raise LinkError(f"link sim: {error}") from error

    def close(self) -> None:
        """Free the simulated board; a second call does nothing."""
        self.board.close()
