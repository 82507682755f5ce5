# SPDX-License-Identifier: Apache-2.0
"""An SBE message schema, read into offsets and widths.

What the FIX SBE 1.0 schema language says of layout is followed: fields lie packed in the order of
the schema unless they give an offset, constants take no bytes, groups come after the fields and
variable-length data after the groups. Groups inside groups are refused.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

__all__ = ["BUNDLED", "Data", "Field", "Group", "Message", "Schema", "SchemaError", "read_schema"]

#: The schema of Binance's spot streams (README.md beside it).
BUNDLED = Path(__file__).with_name("stream_1_0.xml")

#: Bytes of a primitive type, and whether it has a sign.
_PRIMITIVES = {
    "char": (1, False),
    **{f"{sign}int{bits}": (bits // 8, not sign) for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float": (4, True),
    "double": (8, True),
}
_HEADER_FIELDS = ("blockLength", "templateId", "schemaId", "version")


class SchemaError(ValueError):
    """The schema says something that cannot be decoded; names the file and the element."""


@dataclass(frozen=True)
class Field:
    """Bytes `offset` to `offset + bytes` of its block."""

    name: str
    offset: int
    bytes: int
    signed: bool
    since: int = 0  #: version that appended it


@dataclass(frozen=True)
class Group:
    """A repeating group: its dimensions, then entries.

    `block_bytes` is what an entry has in version 0 of the schema.
    """

    name: str
    dimension_bytes: int
    block_length: Field
    count: Field
    block_bytes: int
    fields: dict[str, Field]


@dataclass(frozen=True)
class Data:
    """Variable-length data: a length of so many bytes, then the data."""

    name: str
    length_bytes: int


@dataclass(frozen=True)
class Message:
    """A template; `block_bytes` is what its root has in version 0 of the schema."""

    name: str
    template: int
    block_bytes: int
    fields: dict[str, Field]
    groups: tuple[Group, ...]
    data: tuple[Data, ...]

    @property
    def parts(self) -> tuple[Group | Data, ...]:
        """What follows the root, in order."""
        return (*self.groups, *self.data)


@dataclass(frozen=True)
class Schema:
    """Header and messages; `header` has blockLength, templateId, schemaId and version."""

    id: int
    version: int
    header_bytes: int
    header: dict[str, Field]
    messages: dict[str, Message]


def read_schema(source: Path | str = BUNDLED) -> Schema:
    """Read a schema.

    Parameters
    ----------
    source : Path or str
        File to read.

    Raises
    ------
    SchemaError
        The file is no XML, is not little-endian, or an element is missing or not understood.
    OSError
        The file cannot be read.
    """
    name = Path(source).name
    try:
        root = ET.fromstring(Path(source).read_text(encoding="utf-8"))
    except (ET.ParseError, UnicodeDecodeError) as error:
        raise SchemaError(f"{name}: expected XML, was {error}") from None
    return _Reader(name, root).schema()


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


class _Reader:
    """Reads one schema; `name` is that of its file, for messages."""

    def __init__(self, name: str, root: ET.Element) -> None:
        self._name = name
        self._root = root
        self._types: dict[str, ET.Element] = {}

    def schema(self) -> Schema:
        root = self._root
        if _tag(root) != "messageSchema":
            raise self._error("root", "messageSchema", _tag(root))
        order = root.get("byteOrder", "littleEndian")
        if order != "littleEndian":
            raise self._error("byteOrder", "littleEndian", order)
        for types in root:
            if _tag(types) == "types":
                self._types |= {self._text(one, "name"): one for one in types}
        header_type = root.get("headerType", "messageHeader")
        header, header_bytes = self._composite(header_type)
        for name in _HEADER_FIELDS:
            if name not in header:
                raise self._error(f"composite {header_type}", f"a type {name}", "none")
        messages: dict[str, Message] = {}
        for element in root:
            if _tag(element) == "message":
                message = self._message(element)
                if message.name in messages or any(
                    message.template == other.template for other in messages.values()
                ):
                    raise self._error(f"message {message.name}", "a name and id of its own", "both")
                messages[message.name] = message
        return Schema(
            self._number(root, "id"),
            self._number(root, "version", 0),
            header_bytes,
            header,
            messages,
        )

    def _error(self, where: str, expected: object, found: object) -> SchemaError:
        return SchemaError(f"{self._name}: {where}: expected {expected}, was {found}")

    def _text(self, element: ET.Element, attribute: str) -> str:
        text = element.get(attribute)
        if not text:
            raise self._error(f"{_tag(element)} {element.get('name', '')}", attribute, "none")
        return text

    def _number(self, element: ET.Element, attribute: str, default: int | None = None) -> int:
        text = element.get(attribute)
        if text is None and default is not None:
            return default
        if text is None or not text.isascii() or not text.isdigit():
            where = f"{_tag(element)} {element.get('name', '')}".strip()
            raise self._error(where, f"a number as {attribute}", repr(text))
        return int(text)

    def _size(self, name: str, depth: int = 0) -> tuple[int, bool]:
        """Bytes of a type by its name, and whether it has a sign."""
        if name in _PRIMITIVES:
            return _PRIMITIVES[name]
        element = self._types.get(name)
        if element is None or depth > len(self._types):
            raise self._error(
                f"type {name}", "its definition", "none" if element is None else "a loop"
            )
        kind = _tag(element)
        if kind == "composite":
            return self._composite(name)[1], False
        if kind in ("enum", "set"):
            return self._size(self._text(element, "encodingType"), depth + 1)
        if kind != "type":
            raise self._error(f"type {name}", "type, composite, enum or set", kind)
        return self._primitive(element)

    def _primitive(self, element: ET.Element) -> tuple[int, bool]:
        primitive = self._text(element, "primitiveType")
        if primitive not in _PRIMITIVES:
            raise self._error(f"type {element.get('name')}", "a primitive type", primitive)
        if element.get("presence") == "constant":
            return 0, False
        each, signed = _PRIMITIVES[primitive]
        return each * self._number(element, "length", 1), signed

    def _composite(self, name: str) -> tuple[dict[str, Field], int]:
        element = self._types.get(name)
        if element is None or _tag(element) != "composite":
            raise self._error(f"composite {name}", "its definition", "none")
        fields: dict[str, Field] = {}
        end = 0
        for part in element:
            if _tag(part) != "type":
                raise self._error(f"composite {name}", "types", _tag(part))
            size, signed = self._primitive(part)
            at = self._number(part, "offset", end)
            if at < end:
                raise self._error(f"composite {name}", f"an offset from {end}", at)
            part_name = self._text(part, "name")
            fields[part_name] = Field(part_name, at, size, signed)
            end = at + size
        return fields, end

    def _block(self, element: ET.Element, where: str) -> tuple[dict[str, Field], int]:
        """Fields of a message or group, and the bytes they have in version 0."""
        fields: dict[str, Field] = {}
        end = first_end = 0
        for part in element:
            if _tag(part) != "field":
                continue
            name = self._text(part, "name")
            if name in fields:
                raise self._error(where, "each field once", f"{name} twice")
            kind = self._text(part, "type")
            size, signed = (0, False) if part.get("presence") == "constant" else self._size(kind)
            at, since = self._number(part, "offset", end), self._number(part, "sinceVersion", 0)
            if at < end:
                raise self._error(f"{where} field {name}", f"an offset from {end}", at)
            fields[name] = Field(name, at, size, signed, since)
            end = at + size
            if not since:
                first_end = end
        given = self._number(element, "blockLength", end)
        if given < end:
            raise self._error(where, f"a blockLength from {end}", given)
        return fields, given if first_end == end else first_end

    def _group(self, element: ET.Element, where: str) -> Group:
        name = self._text(element, "name")
        where = f"{where} group {name}"
        for part in element:
            if _tag(part) in ("group", "data"):
                raise self._error(where, "fields only", _tag(part))
        dimension = element.get("dimensionType", "groupSizeEncoding")
        parts, size = self._composite(dimension)
        for part_name in ("blockLength", "numInGroup"):
            if part_name not in parts or parts[part_name].signed:
                raise self._error(f"composite {dimension}", f"an unsigned {part_name}", "none")
        fields, block = self._block(element, where)
        return Group(name, size, parts["blockLength"], parts["numInGroup"], block, fields)

    def _data(self, element: ET.Element, where: str) -> Data:
        name, kind = self._text(element, "name"), self._text(element, "type")
        parts, _ = self._composite(kind)
        length = parts.get("length")
        if length is None or length.offset or length.signed or set(parts) != {"length", "varData"}:
            raise self._error(f"{where} data {name}", "a composite of length and varData", kind)
        return Data(name, length.bytes)

    def _message(self, element: ET.Element) -> Message:
        name = self._text(element, "name")
        where = f"message {name}"
        fields, block = self._block(element, where)
        for before, after in self._neighbours(element):
            if _ORDER[before] > _ORDER[after]:
                raise self._error(
                    where, "fields, then groups, then data", f"{after} after {before}"
                )
        groups = tuple(self._group(part, where) for part in element if _tag(part) == "group")
        data = tuple(self._data(part, where) for part in element if _tag(part) == "data")
        return Message(name, self._number(element, "id"), block, fields, groups, data)

    def _neighbours(self, element: ET.Element) -> Iterator[tuple[str, str]]:
        tags = [_tag(part) for part in element]
        for tag in tags:
            if tag not in _ORDER:
                raise self._error(f"message {element.get('name')}", "field, group or data", tag)
        yield from pairwise(tags)


_ORDER = {"field": 0, "group": 1, "data": 2}
