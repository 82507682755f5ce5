# SPDX-License-Identifier: Apache-2.0
"""The schema reader: the bundled schema's offsets, and what it refuses."""

import pytest

from hdl.feed.sbe.plan import Plan
from hdl.feed.sbe.schema import BUNDLED, SchemaError, read_schema
from tests.unit import sbe_bytes

#: From the exchange's documents, counted from the start of the message.
OFFSETS = {
    "TradesStreamEvent": (10000, 18, {"eventTime": 8, "transactTime": 16, "priceExponent": 24}),
    "BestBidAskStreamEvent": (
        10001,
        50,
        {"eventTime": 8, "bookUpdateId": 16, "priceExponent": 24, "qtyExponent": 25}
        | {"bidPrice": 26, "bidQty": 34, "askPrice": 42, "askQty": 50},
    ),
    "DepthSnapshotStreamEvent": (10002, 18, {"eventTime": 8, "bookUpdateId": 16}),
    "DepthDiffStreamEvent": (
        10003,
        26,
        {"eventTime": 8, "firstBookUpdateId": 16, "lastBookUpdateId": 24}
        | {"priceExponent": 32, "qtyExponent": 33},
    ),
}
GROUPS = {
    "TradesStreamEvent": [("trades", 6, 25, {"id": 0, "price": 8, "qty": 16, "isBuyerMaker": 24})],
    "BestBidAskStreamEvent": [],
    "DepthSnapshotStreamEvent": [
        (side, 4, 16, {"price": 0, "qty": 8}) for side in ("bids", "asks")
    ],
    "DepthDiffStreamEvent": [(side, 4, 16, {"price": 0, "qty": 8}) for side in ("bids", "asks")],
}


def test_the_bundled_schema_has_the_offsets_the_exchange_documents():
    schema = read_schema()
    assert (schema.id, schema.version, schema.header_bytes) == (1, 0, 8)
    assert [field.offset for field in schema.header.values()] == [0, 2, 4, 6]
    assert set(schema.messages) == set(OFFSETS)
    for name, (template, block, offsets) in OFFSETS.items():
        message = schema.messages[name]
        assert (message.template, message.block_bytes) == (template, block)
        assert {field: message.fields[field].offset + 8 for field in offsets} == offsets
        groups = [
            (g.name, g.dimension_bytes, g.block_bytes, {f: g.fields[f].offset for f in told[3]})
            for g, told in zip(message.groups, GROUPS[name], strict=True)
        ]
        assert groups == GROUPS[name]
        assert [data.length_bytes for data in message.data] == [1]


def test_both_dimension_widths_are_read():
    schema = read_schema()
    trades = schema.messages["TradesStreamEvent"].groups[0]
    bids = schema.messages["DepthDiffStreamEvent"].groups[0]
    assert (trades.count.bytes, bids.count.bytes) == (4, 2)


def test_a_constant_takes_no_bytes():
    fields = read_schema().messages["TradesStreamEvent"].groups[0].fields
    assert fields["isBestMatch"].bytes == 0


def changed(tmp_path, *pairs):
    text = BUNDLED.read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    path = tmp_path / "changed.xml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("</sbe:messageSchema>", "", "expected XML"),
        ('byteOrder="littleEndian"', 'byteOrder="bigEndian"', "expected littleEndian, was bigEnd"),
        ('primitiveType="int8"', 'primitiveType="int7"', "expected a primitive type, was int7"),
        ('type name="exponent8"', 'type name="exponent9"', "type exponent8: expected its defin"),
        ('id="10003"', 'id="1e4"', "expected a number as id, was '1e4'"),
        ('id="10003"', 'id="10002"', "expected a name and id of its own"),
        ('name="templateId"', 'name="template"', "messageHeader: expected a type templateId"),
        ('dimensionType="groupSize16Encoding"', 'dimensionType="no"', "composite no: expected"),
        ('name="numInGroup"', 'name="count"', "expected an unsigned numInGroup"),
        ('name="length"', 'name="size"', "data symbol: expected a composite of length"),
        ('name="qty" type', 'name="price" type', "expected each field once, was price twice"),
        ('<field id="2" name="qty"', '<group name="g"/><field id="2" name="qty"', "fields only"),
        ('type="updateId"/>', 'type="updateId" offset="3"/>', "expected an offset from 8, was 3"),
        ("messageSchema", "schema", "root: expected messageSchema, was schema"),
    ],
)
def test_what_cannot_be_decoded_is_named(tmp_path, old, new, told):
    with pytest.raises(SchemaError, match=told) as caught:
        read_schema(changed(tmp_path, (old, new)))
    assert str(caught.value).startswith("changed.xml: ")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("DepthDiffStreamEvent", "DepthStreamEvent", "expected a message DepthDiffStreamEvent"),
        ('name="lastBookUpdateId"', 'name="last"', "expected a field lastBookUpdateId, was none"),
        ('name="asks"', 'name="offers"', r"expected groups \['bids', 'asks'\]"),
        ('"mantissa64" primitiveType="int64"', '"mantissa64" primitiveType="int32"', "8 bytes"),
        ('"length" primitiveType="uint8"', '"length" primitiveType="uint32"', "1 or 2 bytes"),
    ],
)
def test_a_schema_without_what_the_decoder_needs_is_refused(tmp_path, old, new, told):
    with pytest.raises(SchemaError, match=told):
        Plan(read_schema(changed(tmp_path, (old, new))))


def test_appended_fields_are_not_part_of_the_first_version(tmp_path):
    appended = '<field id="9" name="more" type="updateId" sinceVersion="2"/>'
    one = '<field id="5" name="qtyExponent" type="exponent8"/>'
    schema = read_schema(changed(tmp_path, (one, one + appended)))
    message = schema.messages["DepthDiffStreamEvent"]
    assert message.block_bytes == 26
    assert (message.fields["more"].offset, message.fields["more"].since) == (26, 2)


def test_the_byte_builder_of_the_tests_writes_what_the_schema_says():
    """Its offsets are its own; the two agree."""
    schema = read_schema()
    fields = schema.messages["DepthDiffStreamEvent"].fields
    message = sbe_bytes.diff(11, 12, [(1, 2)], [], time_us=13, exponents=(-4, -5))
    told = {
        name: int.from_bytes(message[8 + f.offset :][: f.bytes], "little", signed=f.signed)
        for name, f in fields.items()
    }
    assert told == {
        **{"eventTime": 13, "firstBookUpdateId": 11, "lastBookUpdateId": 12},
        **{"priceExponent": -4, "qtyExponent": -5},
    }
