# SPDX-License-Identifier: Apache-2.0
"""A board of the serial link in plain Python, by docs/uart.md, on a wire whose time is virtual.

Faults of the host's end are tested on it: what comes late, is cut, or is another board's.
"""

from sim import reference_uart as reference

HELLO, RECORDS, READ, WRITE, FLUSH = range(1, 6)
STATUS, RECORD, VALUE, DONE = range(0x81, 0x85)


class ModelUart:
    """What the board does with frames.

    `applied` holds the records it has taken, and "CLEAR" wherever it made all symbols invalid;
    `results` are out records that the next frame of records sets free.
    """

    def __init__(self):
        self.words = {}
        self.applied = []
        self.results = []
        self.counts = [0, 0, 0, 0]
        self._unframer = reference.Unframer()
        self._expected = self.number = 0
        self._greeted = False
        self._out = []

    def feed(self, text):
        """Frames it answers, encoded, in order."""
        for found in self._unframer.feed(text):
            if found is None:
                self.counts[0] += 1
                self._clear()
                self._status()
            else:
                self._take(*found)
        out, self._out = self._out, []
        return out

    def _take(self, kind, number, payload):
        if kind == HELLO:
            self._expected, self.number, self._greeted = number + 1 & 0xFF, 0, True
            self._clear()
            self._status(1, payload)
            return
        if number != self._expected or not self._greeted:
            self.counts[2] += number - self._expected & 0xFF
            self._clear()
        self._greeted, self._expected = True, number + 1 & 0xFF
        address = int.from_bytes(payload[:2], "little")
        if kind == RECORDS:
            self.applied += [payload[at : at + 16] for at in range(0, len(payload), 16)]
            self._status()
            for result in self.results:
                self._say(RECORD, result)
            self.results = []
        elif kind == READ:
            self._say(VALUE, payload + self.words.get(address, 0).to_bytes(4, "little"))
        elif kind == WRITE:
            self.words[address] = int.from_bytes(payload[2:], "little")
            self._say(DONE, payload[:2])
        elif kind == FLUSH:
            self._status(1, payload)

    def _clear(self):
        self.counts[3] += 1
        self.applied.append("CLEAR")

    def _status(self, answer=0, nonce=bytes(4)):
        counts = b"".join(count.to_bytes(4, "little") for count in self.counts)
        self._say(STATUS, bytes((self._expected, answer)) + nonce + counts)

    def _say(self, kind, payload):
        self._out.append((kind, reference.frame(kind, self.number, payload)))
        self.number = self.number + 1 & 0xFF


class Wire:
    """A port before it.

    `to_board` changes bytes; `late` delays a frame by its kind, and with it those behind; `drop`
    loses it.
    """

    def __init__(self, board, timeout_s=0.5):
        self.board, self.timeout_s = board, timeout_s
        self.now = 0.0
        self.to_board = lambda text: text
        self.late = lambda kind: 0.0
        self.drop = lambda kind: False
        self._come = []
        self._free = 0.0

    def write(self, text):
        for kind, answer in self.board.feed(self.to_board(bytes(text))):
            if not self.drop(kind):
                self._free = max(self._free, self.now + self.late(kind))
                self._come.append([self._free, answer])
        return len(text)

    @property
    def in_waiting(self):
        return sum(len(text) for at, text in self._come if at <= self.now)

    def read(self, size=1):
        if not self._come or self._come[0][0] > self.now + self.timeout_s:
            self.now += self.timeout_s
            return b""
        self.now = max(self.now, self._come[0][0])
        text = self._come[0][1]
        if text[size:]:
            self._come[0][1] = text[size:]
        else:
            del self._come[0]
        return text[:size]

    def reset_input_buffer(self):
        self._come = [each for each in self._come if each[0] > self.now]

    def close(self):
        pass
