# SPDX-License-Identifier: Apache-2.0
"""Standing down, standing up again, and the end: what is done in which order, and made sure.

Down: the board is halted, orders are halted, what is open is cancelled at the venue, and the
venue is asked whether it is so. Up: journal and venue are compared, the board is told the
venue's positions, and only where all three agree it trades again. The end is a way down that
nobody comes up from; positions are closed before if the configuration says so.
"""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from host.contract.records import AlertCause, KillCause, Mode
from host.execution.journal import FINAL, JournalError
from host.execution.recovery import Agreement
from host.links.base import LinkError
from host.settings import SettingError
from host.venues.interface import VenueFault

if TYPE_CHECKING:
    from host.driver.session import Session

__all__ = ["Standing"]

_PAUSE_S = 0.25
_SELDOM_S = 16.0


class Standing:
    """Moves a session out of trading and back.

    Parameters
    ----------
    session : Session
        The session.

    Attributes
    ----------
    reasons : list of str
        Why it stands, oldest first; empty while it trades.
    needs_person : bool
        Only `resume` ends it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._task: asyncio.Task[None] | None = None
        self._back: asyncio.Task[str] | None = None
        self._rising = asyncio.Lock()
        self._feed_reason = ""
        self.reasons: list[str] = []
        self.needs_person = False

    # agreement

    async def agree(self) -> Agreement:
        """Compare journal and venue, resolve by the policy, and state positions to the board.

        Raises
        ------
        SettingError
            A position is not explained by the journal, and nobody has said that it is to be
            taken over.
        VenueFault, JournalError, LinkError
            Something could not be asked or written; orders stay halted.
        """
        session = self._session
        agreement = await session.recovery.run()
        if not agreement.settled and session.config.orders.accept_position:
            for difference in agreement.differences:
                if difference.kind == "position":
                    position = agreement.positions[difference.subject]
                    session.recovery.accept(difference.subject, position)
                    session.trail.event(
                        "position accepted", symbol=difference.subject, qty=str(position)
                    )
            agreement = await session.recovery.run()
        for difference in agreement.differences:
            session.trail.event(
                "difference",
                what=difference.kind,
                subject=difference.subject,
                text=difference.text,
                resolved=difference.resolved,
            )
        if not agreement.settled:
            texts = "; ".join(d.text for d in agreement.differences if not d.resolved)
            raise SettingError(
                f"positions: expected what the journal explains, was not ({texts}); "
                "orders.accept_position = true takes the venue's over"
            )
        await self.state_positions(agreement)
        return agreement

    async def state_positions(self, agreement: Agreement) -> None:
        """Tell the board the venue's positions; nothing is open then."""
        session = self._session
        entries = {p.symbol: p.entry for p in await session.venue.positions(list(_names(session)))}
        told: list[tuple[int, int, int]] = []
        for one in session.symbols:
            position = agreement.positions.get(one.symbol, Decimal(0))
            entry = entries.get(one.symbol)
            lots = int(position / one.lot)
            ticks = int(entry / one.tick) if entry and lots else 0
            if not ticks and lots:
                ticks = int(session.prices[one.number] / one.tick)
            told.append((one.number, lots, ticks))
            session.watch.positions[one.symbol] = position

        def state() -> None:
            for number, lots, ticks in told:
                session.bridge.reconcile(number, lots, ticks, whole=True)

        session.driver.surely(state)
        session.stops.adopt()

    async def compare(self, agreement: Agreement) -> list[str]:
        """Let the board compare its positions with the venue's; what differs, in words."""
        session = self._session
        problems = []
        for one in session.symbols:
            position = agreement.positions.get(one.symbol, Decimal(0))
            number, lots = one.number, int(position / one.lot)
            before = session.fabric.count("reconcile_faults")
            session.driver.surely(partial(session.bridge.reconcile, number, lots, whole=False))
            if session.fabric.count("reconcile_faults") != before:
                problems.append(
                    f"{one.symbol}: expected the position {position} of the venue in the fabric, "
                    "was another"
                )
        if session.bridge.open_lots:
            problems.append(f"fabric: expected nothing open, was {session.bridge.open_lots} lots")
        return problems

    # down and up

    def pause(self, reason: str, person: bool = True) -> str:
        """Stand down; new orders are stopped before this returns."""
        session = self._session
        self.needs_person |= person
        self.reasons.append(reason)
        session.orders.halt(reason)
        session.driver.end_parts()
        with contextlib.suppress(LinkError):
            session.fabric.set_mode(Mode.HALTED)
        if session.phase.value == "trading":
            session.phase = type(session.phase)("standing")
            session.trail.event("standing", reason=reason)
            session.say(f"standing: {reason}")
            self._task = asyncio.ensure_future(self._cancel_quietly())
        return "standing"

    async def resume(self) -> str:
        """A person says that it may trade again."""
        if self._session.phase.value != "standing":
            return f"expected a session that stands, was {self._session.phase.value}"
        self.needs_person = False
        return await self._up()

    async def resume_after_loss(self) -> str:
        """The loss is over; trade again unless a person has to say so."""
        if self.needs_person or self._session.phase.value != "standing":
            return "standing"
        return await self._up()

    async def rearm(self) -> str:
        """Clear the kill latch of the board; it stays halted until `resume`."""
        session = self._session
        if session.phase.value == "trading":
            return "expected a session that stands, was trading"
        session.fabric.rearm()
        session.driver.flush()
        left = session.fabric.kill_causes
        return "re-armed" if not left else f"expected no cause of a kill, was {left!r}"

    def lost_feed(self, reason: str) -> None:
        """The market stream is lost or silent; it trades again once the books are whole."""
        self._feed_reason = reason
        self.pause(reason, person=False)

    async def feed_is_back(self) -> None:
        """Called now and then: after a loss, trade again once every book is synced."""
        session = self._session
        if not self._feed_reason or session.phase.value != "standing":
            return
        if all(feed.synced for feed in session.feed.feeds.values()):
            self._feed_reason = ""
            await self.resume_after_loss()

    def alert(self, cause: AlertCause) -> None:
        """The board calls: a kill stops everything, a difference is looked into."""
        session = self._session
        if session.phase.value in ("stopping", "ended", "opening"):
            return
        if cause is AlertCause.KILL:
            causes = session.fabric.kill_causes
            if causes & ~KillCause.REGISTER:
                self.pause(f"the board has killed: {causes!r}")
            return
        self.pause(f"the board reports a difference ({cause.name})", person=False)
        self._return()

    def lost_frames(self) -> None:
        """The link has lost frames: nobody knows what of positions and orders the board knows."""
        session = self._session
        if session.phase.value not in ("trading", "standing"):
            return
        if not session.fabric.configured:
            session.stop("the board was reset: its settings are gone")
            return
        self.pause("the link has lost frames", person=False)
        self._return()

    def _return(self) -> None:
        if self._back is None or self._back.done():
            self._back = asyncio.ensure_future(self._come_back())

    async def _come_back(self) -> str:
        """Try to trade again, more and more seldom, until it does or a person has to say so."""
        session, wait_s = self._session, _PAUSE_S
        while session.phase.value == "standing" and not self.needs_person:
            await session.sleep(wait_s)
            wait_s = min(2 * wait_s, _SELDOM_S)
            await self.resume_after_loss()
        return str(session.phase.value)

    async def _up(self) -> str:
        async with self._rising:
            return await self._rise()

    async def _rise(self) -> str:
        session = self._session
        if session.phase.value != "standing" or self._feed_reason:
            return session.phase.value
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(VenueFault):
            await session.venue.clock_offset_ms()
        session.orders.halted, reasons = "", len(self.reasons)
        try:
            await session.driver.settled(session.config.orders.timeout_ms / 1000 * 2)
            await self.agree()
            session.driver.surely(session.watch.tell)
            if causes := session.fabric.kill_causes:
                raise SettingError(
                    f"board: expected no cause of a kill, was {causes!r}; "
                    "tickgate resume --rearm clears it"
                )
            if len(self.reasons) > reasons:  # something has come between
                session.orders.halt(self.reasons[-1])
            if session.phase.value != "standing" or session.orders.halted:
                return str(session.phase.value)
            session.fabric.set_mode(Mode.ACTIVE)
        except (VenueFault, SettingError, JournalError, LinkError) as error:
            session.orders.halt(f"no agreement: {error}")
            with contextlib.suppress(LinkError):  # the mode may have reached it
                session.fabric.set_mode(Mode.HALTED)
            session.trail.event("no agreement", text=str(error))
            self.needs_person |= isinstance(error, (SettingError, JournalError))
            return f"standing: {error}"
        self.reasons.clear()
        self.needs_person = False
        session.phase = type(session.phase)("trading")
        session.trail.event("trading again")
        session.say("trading again")
        return "trading"

    async def _cancel_quietly(self) -> None:
        try:
            await self._cancel(self._session.config.stop.verify_s)
        except (VenueFault, TimeoutError) as error:
            self._session.trail.event("cancel failed", text=str(error))

    async def _cancel(self, seconds: float) -> None:
        """Cancel all that is open, until the venue shows nothing; a session's stops stay.

        Raises
        ------
        TimeoutError
            Something is still open, or the venue cannot be asked.
        """
        session, left_s, last = self._session, seconds, "nothing was tried"
        stops = not session.config.orders.backstop
        while True:
            try:
                still = []
                for symbol in _names(session):
                    await session.venue.cancel_all(symbol, stops)
                    still += await session.venue.open_orders(symbol, stops)
                if not still:
                    return
                last = f"{len(still)} orders are still open"
            except VenueFault as error:
                last = str(error)
            if left_s <= 0:
                raise TimeoutError(f"expected nothing open at the venue, was: {last}")
            await session.sleep(_PAUSE_S)
            left_s -= _PAUSE_S

    # the end

    async def stop(self) -> None:
        """Halt, cancel, close positions if asked, compare, and say what is so."""
        session = self._session
        problems = session.outcome.problems
        session.orders.halt(session.outcome.reason or "a fault")
        session.driver.end_parts()
        try:
            session.fabric.kill()
            session.fabric.set_mode(Mode.HALTED)
        except LinkError as error:
            problems.append(f"board: expected to be halted by us, was: {error}")
        for task in (self._task, self._back):
            if task is not None:
                task.cancel()
        await session.driver.settled(session.config.orders.timeout_ms / 1000 * 2)
        try:
            await self._cancel(session.config.stop.verify_s)
        except TimeoutError as error:
            problems.append(str(error))
        if session.config.stop.flatten:
            await self._flatten(problems)
        problems += await session.stops.last()
        await self._last_look(problems)
        with contextlib.suppress(LinkError):
            session.driver.flush()

    async def _flatten(self, problems: list[str]) -> None:
        """Close the positions the session has built, by market orders that only reduce."""
        session = self._session
        for one in session.symbols:
            try:
                found = [p.qty for p in await session.venue.positions([one.symbol])]
                position = sum(found, Decimal(0)) - self._kept(one.symbol)
                lots = one.lots(abs(position))
                if not lots:
                    continue
                row = await session.orders.start(
                    session.next_decision(),
                    one.symbol,
                    "sell" if position > 0 else "buy",
                    lots * one.lot,
                    reduce_only=session.venue.name != "binance",
                    closing=True,
                )
                if row.state not in FINAL:
                    row = await session.orders.settle(row.request.client_id)
                session.trail.event(
                    "flattened", symbol=one.symbol, filled=str(row.filled), state=row.state.value
                )
            except (VenueFault, JournalError) as error:
                problems.append(f"{one.symbol}: expected the position closed, was: {error}")

    def _kept(self, symbol: str) -> Decimal:
        """Of spot, what was there before: a session closes only what it has bought."""
        session = self._session
        if session.venue.name != "binance":
            return Decimal(0)
        return session.opening.get(symbol, (Decimal(0), Decimal(0)))[0]

    async def _last_look(self, problems: list[str]) -> None:
        session = self._session
        try:
            agreement = await session.recovery.run()
            session.orders.halt(session.outcome.reason or "ended")
            for difference in agreement.differences:
                session.trail.event(
                    "difference",
                    what=difference.kind,
                    subject=difference.subject,
                    text=difference.text,
                    resolved=difference.resolved,
                )
                if not difference.resolved:
                    problems.append(f"{difference.subject}: {difference.text}")
            session.watch.positions.update(agreement.positions)
            if not session.driver.link_lost:
                if session.config.stop.flatten:
                    # orders of the host's own are none of the board's: it is told, not asked
                    await self.state_positions(agreement)
                session.driver.flush()
                problems += await self.compare(agreement)
            await session.watch.equity()
        except (VenueFault, JournalError, LinkError) as error:
            problems.append(f"expected a last look at the venue, was: {error}")


def _names(session: Session) -> list[str]:
    return [one.symbol for one in session.symbols]
