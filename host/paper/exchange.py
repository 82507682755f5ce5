# SPDX-License-Identifier: Apache-2.0
"""One market of the paper venue: orders in, executions out, exact and deterministic."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Protocol

from host.feeds.messages import BookTicker, DepthUpdate, Message, Snapshot, Trade
from host.paper.book import MarketBook, Tape
from host.paper.errors import VenueError, refusal
from host.paper.matching import Match, OwnBook, plan
from host.paper.orders import BUY, Fill, NewOrder, Order
from host.paper.symbols import SPOT, USDM, SymbolSpec
from host.paper.triggers import CONDITIONAL, as_working, hits, would_hit

__all__ = ["Account", "Exchange", "Listener"]

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_KEPT_ORDERS = 100_000


class Account(Protocol):
    """What an order does to money and positions."""

    def admit(self, order: Order, matches: list[Match]) -> None:
        """Refuse an order that cannot be paid for, else reserve what it needs."""

    def release(self, order: Order) -> None:
        """An order is over, or smaller: give back what it does not need any more."""

    def most_lots(self, order: Order) -> int:
        """Quantity the order may still trade, for reduce-only orders."""

    def apply(self, order: Order, fill: Fill) -> None:
        """Book a fill, and put commission and realised profit into it."""


class Listener(Protocol):
    """Who is told of what happens to orders."""

    def order(self, order: Order, event: str, fill: Fill | None) -> None:
        """`event` is the venue's execution type: NEW, TRADE, CANCELED, EXPIRED, AMENDMENT..."""

    def settled(self, order: Order) -> None:
        """Balances or positions have changed with the order."""


class Exchange:
    """Books, orders and executions of one market.

    Parameters
    ----------
    market : str
        ``spot`` or ``usdm``.
    specs : list of SymbolSpec
        Symbols.
    account : Account
        Money and positions.
    now_us : callable
        Venue time, microseconds.
    queue_model : str
        See `host.paper.matching`.
    """

    def __init__(
        self,
        market: str,
        specs: list[SymbolSpec],
        account: Account,
        now_us: Callable[[], int],
        queue_model: str = "back",
    ) -> None:
        self.market = market
        self.account = account
        self.now_us = now_us
        self.listeners: list[Listener] = []
        self.specs: dict[str, SymbolSpec] = {}
        self.books: dict[str, MarketBook] = {}
        self.own: dict[str, OwnBook] = {}
        self.orders: dict[int, Order] = {}
        self.open: dict[int, Order] = {}
        self.own_fills: list[tuple[Order, Fill]] = []
        self._queue_model = queue_model
        self._by_client: dict[tuple[str, str], int] = {}
        self._archive: deque[int] = deque()
        self._next_order = 1_000_000
        self._next_trade = 1
        self._busy = 0  # the order that is being executed
        for spec in specs:
            self.add_symbol(spec)

    def add_symbol(self, spec: SymbolSpec) -> None:
        """List a symbol."""
        book = MarketBook(spec)
        self.specs[spec.name] = spec
        self.books[spec.name] = book
        self.own[spec.name] = OwnBook(book, self._queue_model, self._maker_fill)

    # the market

    def on_market(self, message: Message) -> None:
        """Take one message of the market data; unknown symbols are ignored."""
        book = self.books.get(message.symbol or "")
        if book is None:
            return
        own = self.own[book.spec.name]
        if isinstance(message, DepthUpdate):
            changes = book.depth(message)
            if changes:
                own.on_changes(changes)
                self._watch(book)
        elif isinstance(message, Trade):
            tape = book.trade(message)
            if tape is not None:
                own.on_print(tape)
                self._watch(book, tape)
        elif isinstance(message, Snapshot):
            book.snapshot(message)
            own.cross()
        elif isinstance(message, BookTicker):
            book.quote(message)

    # orders

    def spec(self, name: str | None) -> SymbolSpec:
        """Symbol by name.

        Raises
        ------
        VenueError
            -1121.
        """
        found = self.specs.get(name or "")
        if found is None:
            raise refusal("symbol")
        return found

    def submit(self, asked: NewOrder, algo_id: int = 0) -> Order:
        """Take an order.

        Parameters
        ----------
        asked : NewOrder
            The order.
        algo_id : int
            Its number among conditional orders of futures, 0 for none.

        Returns
        -------
        Order
            As it stands after it has traded with the market.

        Raises
        ------
        VenueError
            It is refused; nothing has changed.
        """
        order, matches = self._admitted(asked)
        order.algo_id = algo_id
        return self._accept(order, matches)

    def check(self, asked: NewOrder) -> None:
        """Refuse an order as `submit` would, without taking it."""
        order, _ = self._admitted(asked)
        self.account.release(order)

    def cancel(self, order: Order, event: str = "CANCELED") -> Order:
        """Take an order back, or let it expire.

        Raises
        ------
        VenueError
            -2011: it is not open.
        """
        if not order.open:
            raise refusal("unknown_order")
        self._end(order, event)
        return order

    def amend(self, order: Order, qty_lots: int, price_ticks: int) -> Order:
        """Change quantity or price of a resting limit order.

        A lower quantity at the same price keeps the place in the queue; anything else goes to its
        end, and may trade at once.

        Raises
        ------
        VenueError
            It is not open, nothing would change, or the new order would be refused.
        """
        if not order.open:
            raise refusal("unknown_order")
        asked = order.asked
        if qty_lots == asked.qty_lots and price_ticks == asked.price_ticks:
            raise refusal("same_order")
        if qty_lots <= order.filled_lots:
            self._end(order, "CANCELED")
            return order
        spec, book = order.spec, self.books[order.spec.name]
        keeps = price_ticks == asked.price_ticks and qty_lots < asked.qty_lots
        if not asked.reduce_only:
            spec.check_notional(price_ticks, qty_lots)
        self._check_percent(spec, book, price_ticks, asked.side == BUY)
        left = qty_lots - order.filled_lots
        matches = [] if keeps else plan(book, asked.side, price_ticks, left)
        if matches and asked.tif == "GTX":
            raise refusal("gtx")
        own = self.own[spec.name]
        before = (asked.qty_lots, asked.price_ticks)
        ahead = order.ahead_lots
        self.account.release(order)
        own.remove(order)
        asked.qty_lots, asked.price_ticks = qty_lots, price_ticks
        try:
            self.account.admit(order, matches)
        except VenueError:
            asked.qty_lots, asked.price_ticks = before
            self.account.admit(order, [])
            own.add(order)
            order.ahead_lots = ahead
            raise
        order.updated_us = self.now_us()
        self._tell(order, "AMENDMENT")
        self._take(order, matches)
        if order.open:
            own.add(order)
            if keeps:
                order.ahead_lots = ahead
        return order

    def find(
        self, symbol: str, order_id: int | None, client_id: str | None, gone: str = "no_order"
    ) -> Order:
        """Order by its id or its client id; the newest of those with the client id.

        Raises
        ------
        VenueError
            Named by `gone`.
        """
        if order_id is None and client_id is not None:
            order_id = self._by_client.get((symbol, client_id))
        found = self.orders.get(order_id) if order_id is not None else None
        if found is None or found.spec.name != symbol:
            raise refusal(gone)
        if client_id is not None and found.asked.client_id != client_id:
            raise refusal(gone)
        return found

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Open orders in the order of their ids."""
        return [
            order
            for _, order in sorted(self.open.items())
            if symbol is None or order.spec.name == symbol
        ]

    def expire(self, now_ms: int) -> None:
        """Let GTD orders end."""
        for order in self.open_orders():
            if 0 < order.asked.good_till_ms <= now_ms:
                self._end(order, "EXPIRED")

    # inside

    def _admitted(self, asked: NewOrder) -> tuple[Order, list[Match]]:
        spec, book = asked.spec, self.books[asked.spec.name]
        if not book.synced:
            raise refusal("rejected", text="Market is closed.")
        if asked.client_id:
            if not _CLIENT_ID.fullmatch(asked.client_id):
                raise self._bad_client_id()
            known = self._by_client.get((spec.name, asked.client_id))
            if known is not None and known in self.open:
                raise refusal("duplicate" if self.market == SPOT else "duplicate_client_id")
        if sum(o.spec is spec for o in self.open.values()) >= spec.max_orders:
            if self.market == SPOT:
                raise refusal("filter", name="MAX_NUM_ORDERS")
            raise refusal("max_orders")
        if asked.price_ticks:
            self._check_percent(spec, book, asked.price_ticks, asked.side == BUY)
        self._check_notional(asked, book)
        order = Order(self._next_order, asked, self.now_us())
        order.updated_us = order.created_us
        order.extreme_ticks = book.last_ticks or 0
        if asked.kind in CONDITIONAL:
            if would_hit(asked, book):
                raise refusal("would_trigger_spot" if self.market == SPOT else "would_trigger")
            order.working = False
            self.account.admit(order, [])
            return order, []
        matches = self._matches(order)
        crossed = self.own[spec.name].crossed_by(asked.side, asked.price_ticks)
        if asked.kind == "LIMIT_MAKER" and (matches or crossed):
            raise refusal("would_match")
        if asked.tif == "GTX" and (matches or crossed):
            raise refusal("gtx")
        found_lots = sum(match.qty_lots for match in matches)
        if asked.tif == "FOK" and self.market == USDM and found_lots < asked.qty_lots:
            raise refusal("fok")
        self.account.admit(order, matches)
        return order, matches

    def _matches(self, order: Order) -> list[Match]:
        asked, book = order.asked, self.books[order.spec.name]
        limit = asked.price_ticks
        if asked.kind == "MARKET" and self.market == USDM:
            mark = book.mark_ticks or 0
            up, down = order.spec.multiplier_up, order.spec.multiplier_down
            limit = int(mark * up) if asked.side == BUY else -int(-(mark * down) // 1)
        if asked.quote_qty is not None:
            units = int(asked.quote_qty / order.spec.unit)
            return plan(book, asked.side, limit, 0, units)
        wanted = min(order.remaining_lots, self.account.most_lots(order))
        return plan(book, asked.side, limit, wanted) if wanted else []

    def _accept(self, order: Order, matches: list[Match]) -> Order:
        asked = order.asked
        self._next_order += 1
        if not asked.client_id:
            asked.client_id = f"paper{order.order_id}"
        if asked.quote_qty is not None:
            asked.qty_lots = sum(match.qty_lots for match in matches)
        self.orders[order.order_id] = order
        self.open[order.order_id] = order
        self._by_client[order.spec.name, asked.client_id] = order.order_id
        self._tell(order, "NEW")
        if order.working:
            self._execute(order, matches)
        return order

    def _execute(self, order: Order, matches: list[Match]) -> None:
        asked = order.asked
        if asked.tif == "FOK" and sum(m.qty_lots for m in matches) < order.remaining_lots:
            self._end(order, "EXPIRED")
            return
        if not self._prevent_self_trade(order, matches):
            return
        self._take(order, matches)
        if not order.open:
            return
        idle = not self.account.most_lots(order)
        if asked.kind == "MARKET" or asked.tif in ("IOC", "FOK") or idle:
            self._end(order, "EXPIRED")
        else:
            self.own[order.spec.name].add(order)

    def _prevent_self_trade(self, order: Order, matches: list[Match]) -> bool:
        """Expire what would trade with itself; False where the arriving order is gone."""
        asked = order.asked
        crossed = self.own[order.spec.name].crossed_by(asked.side, asked.price_ticks)
        if sum(match.qty_lots for match in matches) >= order.remaining_lots:
            last = matches[-1].price_ticks if matches else asked.price_ticks
            crossed = [o for o in crossed if (o.asked.price_ticks - last) * asked.side <= 0]
        if not crossed:
            return True
        if asked.stp in ("EXPIRE_MAKER", "EXPIRE_BOTH"):
            for maker in crossed:
                self._end(maker, "EXPIRED_IN_MATCH")
        if asked.stp in ("EXPIRE_TAKER", "EXPIRE_BOTH"):
            self._end(order, "EXPIRED_IN_MATCH")
            return False
        return True

    def _take(self, order: Order, matches: list[Match]) -> None:
        book, self._busy = self.books[order.spec.name], order.order_id
        for price, lots in matches:
            lots = min(lots, order.remaining_lots, self.account.most_lots(order))
            if lots and order.open:
                book.take(-order.side, price, lots)
                self._fill(order, price, lots, maker=False)
        self._busy = 0

    def _maker_fill(self, order: Order, price_ticks: int, qty_lots: int) -> None:
        lots = min(qty_lots, self.account.most_lots(order))
        if lots:
            self._fill(order, price_ticks, lots, maker=True)

    def _fill(self, order: Order, price_ticks: int, qty_lots: int, maker: bool) -> None:
        quote = price_ticks * qty_lots * order.spec.unit
        fill = Fill(self._next_trade, price_ticks, qty_lots, quote, maker, self.now_us())
        self._next_trade += 1
        order.filled_lots += qty_lots
        order.quote += quote
        order.updated_us = fill.time_us
        order.status = "PARTIALLY_FILLED" if order.remaining_lots else "FILLED"
        self.account.apply(order, fill)
        order.fills.append(fill)
        self.own_fills.append((order, fill))
        if not order.open:
            self._close(order)
        self._tell(order, "TRADE", fill)
        self._settled(order)
        if self.market == USDM:
            self._end_idle_reducers(order.spec)

    def _end_idle_reducers(self, spec: SymbolSpec) -> None:
        """Expire working reduce-only orders that have no position to reduce any more."""
        for order in self.open_orders(spec.name):
            reduces = order.asked.reduce_only or order.asked.close_position
            idle = order.working and reduces and not self.account.most_lots(order)
            if idle and order.remaining_lots and order.order_id != self._busy:
                self._end(order, "EXPIRED")

    def _end(self, order: Order, event: str) -> None:
        order.status = event
        order.updated_us = self.now_us()
        self._close(order)
        self._tell(order, "EXPIRED" if event == "EXPIRED_IN_MATCH" else event)
        if self.market == SPOT:
            self._settled(order)

    def _close(self, order: Order) -> None:
        self.own[order.spec.name].remove(order)
        self.open.pop(order.order_id, None)
        self.account.release(order)
        self._archive.append(order.order_id)
        if len(self._archive) > _KEPT_ORDERS:
            old = self.orders.pop(self._archive.popleft())
            key = (old.spec.name, old.asked.client_id)
            if self._by_client.get(key) == old.order_id:
                del self._by_client[key]

    def _watch(self, book: MarketBook, tape: Tape | None = None) -> None:
        """Wake the orders whose trigger the market has reached."""
        waiting = [o for o in self.open.values() if not o.working and o.spec is book.spec]
        for order in waiting:
            if order.open and hits(order, book, tape):
                self.wake(order)

    def wake(self, order: Order) -> None:
        """Let a waiting order work."""
        order.working = True
        order.asked = as_working(order.asked)
        order.updated_us = self.now_us()
        if not order.asked.qty_lots:
            order.asked.qty_lots = self.account.most_lots(order)
        matches = self._matches(order) if order.asked.qty_lots else []
        self.account.release(order)
        try:
            self.account.admit(order, matches)
        except VenueError:
            self._end(order, "EXPIRED")
            return
        self._tell(order, "TRIGGERED")
        self._execute(order, matches)

    def _check_percent(
        self, spec: SymbolSpec, book: MarketBook, price_ticks: int, buy: bool
    ) -> None:
        mark = book.mark_ticks
        if mark is not None:
            spec.check_percent(price_ticks, mark, buy)

    def _check_notional(self, asked: NewOrder, book: MarketBook) -> None:
        if asked.reduce_only or asked.close_position or asked.quote_qty is not None:
            return
        price = asked.price_ticks or asked.stop_ticks or book.mark_ticks or 0
        asked.spec.check_notional(price, asked.qty_lots)

    def _bad_client_id(self) -> VenueError:
        rule = "^[\\.A-Z\\:/a-z0-9_-]{1,36}$"
        return refusal("illegal", name="newClientOrderId", rule=rule)

    def _tell(self, order: Order, event: str, fill: Fill | None = None) -> None:
        for listener in self.listeners:
            listener.order(order, event, fill)

    def _settled(self, order: Order) -> None:
        for listener in self.listeners:
            listener.settled(order)
