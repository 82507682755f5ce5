# SPDX-License-Identifier: Apache-2.0
"""The venue's refusals: HTTP status, code and text as its documents list them."""

from __future__ import annotations

__all__ = ["VenueError", "refusal"]


class VenueError(Exception):
    """A request that is refused.

    Attributes
    ----------
    status : int
        HTTP status of the answer.
    code : int
        The venue's code, below 0.
    text : str
        The venue's text.
    retry_after_s : int or None
        Seconds of the Retry-After header, where there is one.
    data : dict or None
        Further members of the answer.
    """

    def __init__(
        self,
        status: int,
        code: int,
        text: str,
        retry_after_s: int | None = None,
        data: dict[str, object] | None = None,
    ) -> None:
        super().__init__(f"{code}: {text}")
        self.status = status
        self.code = code
        self.text = text
        self.retry_after_s = retry_after_s
        self.data = data

    def body(self) -> dict[str, object]:
        """The JSON object that is sent."""
        found: dict[str, object] = {"code": self.code, "msg": self.text}
        if self.data is not None:
            found["data"] = self.data
        return found


#: HTTP status and text by name; the text may hold fields in braces.
_REFUSALS: dict[str, tuple[int, int, str]] = {
    "unknown": (500, -1000, "An unknown error occurred while processing the request."),
    "too_many": (
        429,
        -1003,
        (
            "Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API."
        ),
    ),
    "banned": (
        418,
        -1003,
        (
            "Way too much request weight used; IP banned until {until_ms}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        ),
    ),
    "too_many_orders": (
        429,
        -1015,
        "Too many new orders; current limit is {limit} orders per {interval}.",
    ),
    "timeout": (
        503,
        -1007,
        (
            "Timeout waiting for response from backend server. Send status unknown; "
            "execution status unknown."
        ),
    ),
    "unavailable": (
        503,
        -1008,
        "Server is currently overloaded with other requests. Please try again in a few minutes.",
    ),
    "clock": (400, -1021, "Timestamp for this request is outside of the recvWindow."),
    "clock_ahead": (
        400,
        -1021,
        "Timestamp for this request was 1000ms ahead of the server's time.",
    ),
    "signature": (400, -1022, "Signature for this request is not valid."),
    "illegal": (
        400,
        -1100,
        "Illegal characters found in parameter '{name}'; legal range is '{rule}'.",
    ),
    "too_many_params": (400, -1101, "Too many parameters sent for this endpoint."),
    "missing": (
        400,
        -1102,
        "Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
    ),
    "either": (
        400,
        -1102,
        "Param '{one}' or '{other}' must be sent, but both were empty/null!",
    ),
    "not_required": (400, -1106, "Parameter '{name}' sent when not required."),
    "precision": (
        400,
        -1111,
        "Precision is over the maximum defined for this asset.",
    ),
    "tif": (400, -1115, "Invalid timeInForce."),
    "order_type": (400, -1116, "Invalid orderType."),
    "side": (400, -1117, "Invalid side."),
    "symbol": (400, -1121, "Invalid symbol."),
    "listen_key": (400, -1125, "This listenKey does not exist."),
    "interval": (400, -1127, "More than {hours} hours between startTime and endTime."),
    "combination": (400, -1128, "Combination of optional parameters invalid."),
    "parameter": (400, -1130, "Data sent for parameter '{name}' is not valid."),
    "recv_window": (400, -1131, "recvWindow must be less than 60000"),
    "filter": (400, -1013, "Filter failure: {name}"),
    "rejected": (400, -2010, "{text}"),
    "no_balance": (400, -2010, "Account has insufficient balance for requested action."),
    "duplicate": (400, -2010, "Duplicate order sent."),
    "would_match": (400, -2010, "Order would immediately match and take."),
    "would_trigger_spot": (400, -2010, "Stop price would trigger immediately."),
    "unknown_order": (400, -2011, "Unknown order sent."),
    "no_order": (400, -2013, "Order does not exist."),
    "key_format": (401, -2014, "API-key format invalid."),
    "key": (401, -2015, "Invalid API-key, IP, or permissions for action."),
    "margin": (400, -2019, "Margin is insufficient."),
    "unable_to_fill": (400, -2020, "Unable to fill."),
    "would_trigger": (400, -2021, "Order would immediately trigger."),
    "reduce_only": (400, -2022, "ReduceOnly Order is rejected."),
    "max_orders": (400, -2025, "Reach max open order limit."),
    "max_position": (
        400,
        -2027,
        "Exceeded the maximum allowable position at current leverage.",
    ),
    "min_price": (400, -4013, "Price less than min price."),
    "max_price": (400, -4002, "Price greater than max price."),
    "price_step": (400, -4014, "Price not increased by tick size."),
    "qty_below": (400, -4003, "Quantity less than or equal to zero."),
    "qty_max": (400, -4005, "Quantity greater than max quantity."),
    "qty_step": (400, -4023, "Quantity not increased by step size."),
    "client_id": (
        400,
        -4015,
        "Client order id length should be less than 36 chars",
    ),
    "multiplier_up": (400, -4016, "Limit price can't be higher than {price}."),
    "multiplier_down": (400, -4024, "Limit price can't be lower than {price}."),
    "leverage": (400, -4028, "Leverage {leverage} is not valid"),
    "margin_type_same": (400, -4046, "No need to change margin type."),
    "margin_type_orders": (
        400,
        -4047,
        "Margin type cannot be changed if there exists open orders.",
    ),
    "margin_type_position": (400, -4048, "Margin type cannot be changed if there exists position."),
    "position_side_same": (400, -4059, "No need to change position side."),
    "position_side": (400, -4061, "Order's position side does not match user's setting."),
    "reduce_in_hedge": (400, -1106, "Parameter 'reduceonly' sent when not required."),
    "position_side_orders": (
        400,
        -4067,
        "Position side cannot be changed if there exists open orders.",
    ),
    "position_side_position": (
        400,
        -4068,
        "Position side cannot be changed if there exists position.",
    ),
    "duplicate_client_id": (400, -4116, "ClientOrderId is duplicated."),
    "use_algo": (
        400,
        -4120,
        (
            "Order type not supported for this endpoint. "
            "Please use the Algo Order API endpoints instead."
        ),
    ),
    "percent_price": (
        400,
        -4131,
        "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    ),
    "same_order": (400, -5027, "No need to modify the order."),
    "notional": (
        400,
        -4164,
        "Order's notional must be no smaller than {least} (unless you choose reduce only).",
    ),
    "fok": (
        400,
        -5021,
        (
            "Due to the order could not be filled immediately, the FOK order has been rejected. "
            "The order will not be recorded in the order history."
        ),
    ),
    "gtx": (
        400,
        -5022,
        (
            "Due to the order could not be executed as maker, the Post Only order will be "
            "rejected. The order will not be recorded in the order history."
        ),
    ),
}


def refusal(error: str, /, retry_after_s: int | None = None, **fields: object) -> VenueError:
    """Make a refusal by its name in the table above.

    Parameters
    ----------
    error : str
        Key of the table.
    retry_after_s : int, optional
        Value of the Retry-After header.
    **fields
        Values of the fields of the text.
    """
    status, code, text = _REFUSALS[error]
    return VenueError(status, code, text.format(**fields), retry_after_s)
