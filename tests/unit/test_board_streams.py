# SPDX-License-Identifier: Apache-2.0
"""The simulated board on stand-in cores: every record once and in order, registers, waves."""

import numpy as np
import pytest

from host.contract.records import IN_DTYPE
from host.contract.registers import REGISTERS
from host.links.base import RegisterError
from sim import board as board_module
from sim.board import Board, BoardError, BuildConfig, Stalls
from sim.build import Design
from sim.wave import CYCLE_NS, WaveError, signals, window_ns
from tests.unit.board_standin import DEPTH, ID, ROWS

STANDIN = "tests.unit.board_standin"


def design(name):
    return Design(f"{STANDIN}:{name}", (STANDIN, "host.contract"), "tickgate_core")


def open_board(name="Echo", **options):
    return Board(design=design(name), **options)


def some_records(count, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, 16), dtype=np.uint8)


def echoed(records):
    """What the echo core answers, from its description."""
    out = np.zeros((len(records), 64), dtype=np.uint8)
    out[:, :16] = records
    out[:, 32:48] = 255 - records
    return out


@pytest.mark.parametrize("stalls", [None, (1, 300, 0), (2, 0, 300), (3, 500, 500), (4, 900, 950)])
@pytest.mark.parametrize("count", [0, 1, 7, 4096])
def test_every_record_comes_out_once_and_in_order(count, stalls):
    records = some_records(count)
    with open_board(stalls=None if stalls is None else Stalls(*stalls)) as board:
        for _ in range(2):
            np.testing.assert_array_equal(board.transfer(records), echoed(records))
        assert board.read("records_in") == 2 * count
        assert board.protocol_errors == 0


@pytest.mark.parametrize("rows", [1, 2, 3, 64])
@pytest.mark.parametrize("stalls", [None, (5, 200, 400)])
def test_nothing_is_lost_when_there_is_little_room_for_results(rows, stalls):
    records = some_records(257)
    stalls = None if stalls is None else Stalls(*stalls)
    with open_board(result_rows=rows, stalls=stalls) as board:
        np.testing.assert_array_equal(board.transfer(records), echoed(records))
        assert board.protocol_errors == 0


def test_registers_between_full_results_neither_lose_nor_repeat_a_record():
    """The library returns early when its results are full, with a record still on offer."""
    records = some_records(300)
    with open_board(result_rows=2) as board:
        library = board._library

        class Interrupted:
            def __getattr__(self, name):
                return getattr(library, name)

            def tg_transfer(self, *arguments):
                status = library.tg_transfer(*arguments)
                board.step(3)
                assert board.read("id") == ID
                return status

        board._library = Interrupted()
        np.testing.assert_array_equal(board.transfer(records), echoed(records))
        assert board.read("records_in") == len(records)
        assert board.protocol_errors == 0


def test_an_unstalled_core_takes_a_record_in_every_cycle():
    with open_board(idle_cycles=DEPTH + 1) as board:
        before = board.cycles
        board.transfer(some_records(1000))
        assert board.cycles - before == 1000 + DEPTH + (DEPTH + 1)


def test_the_results_stay_with_the_caller():
    with open_board() as board:
        first = board.transfer(some_records(10, seed=1))
        kept = first.copy()
        board.transfer(some_records(10, seed=2))
        np.testing.assert_array_equal(first, kept)


def test_structured_and_strided_records_go_in_as_their_bytes():
    records = some_records(8)
    with open_board() as board:
        structured = records.view(IN_DTYPE).reshape(-1)
        np.testing.assert_array_equal(board.transfer(structured), echoed(records))
        np.testing.assert_array_equal(board.transfer(records[::2]), echoed(records[::2]))


@pytest.mark.parametrize("bad", [np.zeros((2, 15), np.uint8), np.zeros(16, np.uint8), np.zeros(4)])
def test_an_array_of_another_shape_is_refused(bad):
    with open_board() as board, pytest.raises(ValueError, match=r"^records: expected shape"):
        board.transfer(bad)


def test_the_same_stalls_give_the_same_cycles_and_other_seeds_others():
    def cycles(seed):
        with open_board(stalls=Stalls(seed, 400, 400)) as board:
            board.transfer(some_records(500))
            return board.cycles

    counts = [cycles(1), cycles(1), cycles(2), cycles(3)]
    assert counts[0] == counts[1]
    assert len(set(counts)) == 3


@pytest.mark.parametrize(("share", "name"), [(1000, "input"), (-1, "output")])
def test_a_share_of_stalls_out_of_range_is_refused(share, name):
    stalls = Stalls(1, share, 0) if name == "input" else Stalls(1, 0, share)
    with pytest.raises(ValueError, match=f"^{name}_per_mille: expected 0 to 999, was {share}$"):
        open_board(stalls=stalls)


@pytest.mark.parametrize("name", ["Withdrawing", "Changing"])
def test_a_core_that_breaks_the_stream_rules_is_counted(name):
    with open_board(name, stalls=Stalls(7, 0, 500)) as board:
        board.transfer(some_records(100))
        assert board.protocol_errors > 0
    with open_board(name) as board:  # never stalled, it cannot break them
        board.transfer(some_records(100))
        assert board.protocol_errors == 0


def test_a_core_that_takes_nothing_is_an_error_and_no_endless_loop(monkeypatch):
    monkeypatch.setattr(board_module, "STALL_LIMIT", 1000)
    with open_board("Deaf") as board:
        text = r"^record 0: expected to be taken within 1000 cycles, was left waiting$"
        with pytest.raises(BoardError, match=text):
            board.transfer(some_records(3))


def test_records_that_are_taken_without_an_answer_yet_are_no_standstill(monkeypatch):
    monkeypatch.setattr(board_module, "STALL_LIMIT", DEPTH - 2)
    records = some_records(100)
    with open_board() as board:
        np.testing.assert_array_equal(board.transfer(records), echoed(records))


def test_a_core_that_never_stops_answering_is_an_error_and_no_endless_loop():
    with open_board() as board:
        library = board._library

        class Babbling:
            def __getattr__(self, name):
                return getattr(library, name)

            def tg_transfer(self, *arguments):
                library.tg_transfer(*arguments)
                arguments[6]._obj.value = arguments[5]  # as many records as there is room for
                return 1

        board._library = Babbling()
        with pytest.raises(BoardError, match=r"^out records: expected at most \d+ for 3 records"):
            board.transfer(some_records(3))


@pytest.mark.parametrize("name", ["result_rows", "idle_cycles"])
def test_an_option_out_of_range_is_refused(name):
    with pytest.raises(ValueError, match=f"^{name}: expected at least 1, was 0$"):
        open_board(**{name: 0})


def test_registers_are_read_and_written_by_name():
    with open_board() as board:
        assert board.read("id") == 0x54474154
        board.write("order_qty", 0x0123456789ABCDEF)
        assert board.read("order_qty") == 0x0123456789ABCDEF
        assert board.read_word(13) == 0x89ABCDEF
        assert board.read_word(14) == 0x01234567
        board.write("order_qty", 5)
        assert board.read("order_qty") == 5
        first = REGISTERS["latency_histogram"].address
        expected = [3 * word for word in range(first, first + 32)]
        assert board.read_array("latency_histogram").tolist() == expected
        assert board.read_array("id").tolist() == [0x54474154]


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (lambda b: b.read("nothing"), "register: expected a name .*, was 'nothing'"),
        (lambda b: b.read("control"), "register control: expected one to read, was write only"),
        (lambda b: b.write("id", 1), "register id: expected one to write, was read only"),
        (lambda b: b.write("mode", 4), "register mode: expected 0 to 3, was 4"),
        (lambda b: b.write("mode", -1), "register mode: expected 0 to 3, was -1"),
        (lambda b: b.read("span_histogram"), "register span_histogram: .* array of 32"),
    ],
)
def test_a_register_used_wrongly_is_refused_with_its_name(use, text):
    with open_board() as board, pytest.raises(RegisterError, match=text):
        use(board)


def test_a_reset_returns_everything_and_waits_until_memories_are_swept():
    with open_board(random_init=3) as board:
        assert board.cycles > ROWS
        board.transfer(some_records(5))
        board.write("order_qty", 77)
        board.reset()
        assert board.read("status") == 1
        assert board.read("records_in") == 0
        assert board.read("order_qty") == 0


def test_a_core_that_never_gets_ready_is_a_named_error(monkeypatch):
    monkeypatch.setattr(board_module, "INIT_LIMIT", 10)
    with pytest.raises(BoardError, match=r"^register status: expected bit 0 within 10 cycles"):
        open_board()


def test_rubbish_at_power_up_shows_in_a_core_that_does_not_sweep():
    records = np.zeros((ROWS, 16), np.uint8)
    records[:, 2] = np.arange(ROWS)

    def rows(seed):
        with open_board("Unswept", random_init=seed) as board:
            return board.transfer(records)[:, 16:20]

    assert not rows(None).any()
    assert rows(1).any(axis=1).all()
    assert (rows(1) == rows(1)).all()
    assert (rows(1) != rows(2)).any()


@pytest.mark.parametrize("seed", [0, 1, 2, 12345, 0xFFFFFFFF])
def test_rubbish_at_power_up_never_shows_in_a_core_that_resets_well(seed):
    records = some_records(100)
    with open_board(random_init=seed) as board:
        np.testing.assert_array_equal(board.transfer(records), echoed(records))


def test_boards_do_not_share_state():
    with open_board() as one, open_board() as two, open_board("Unswept") as three:
        one.write("order_qty", 1)
        two.write("order_qty", 2)
        three.write("order_qty", 3)
        assert [board.read("order_qty") for board in (one, two, three)] == [1, 2, 3]


def test_a_closed_board_says_so():
    board = open_board()
    board.close()
    board.close()
    with pytest.raises(BoardError, match="expected an open one, was closed"):
        board.read("id")


def test_a_traced_board_dumps_the_window_and_nothing_else(tmp_path):
    records = some_records(20)
    with open_board(trace=True) as board:
        board.transfer(records)
        first = board.cycles
        with board.wave(tmp_path / "window.vcd") as path:
            np.testing.assert_array_equal(board.transfer(records), echoed(records))
        last = board.cycles
        board.transfer(records)
        start, end = window_ns(path)
        assert first * CYCLE_NS <= start <= end <= last * CYCLE_NS
        with board.wave(tmp_path / "second.vcd") as second:
            board.step(2)
        assert window_ns(second)[0] > last * CYCLE_NS
    names = signals(path)
    assert names["board.core.stage0"] == 128
    assert names["board.core.m_tdata"] == 512
    assert names["board.core.m_tvalid"] == 1
    parts = {part for name in names if name.startswith("board.") for part in name.split(".")}
    assert not [part for part in parts if part.startswith(("$", "_"))]  # nothing unreadable


def test_waves_need_a_board_built_for_them(tmp_path):
    with (
        open_board() as board,
        pytest.raises(BoardError, match=r"^wave: expected a board opened with trace=True"),
        board.wave(tmp_path / "none.vcd"),
    ):
        pass


def test_a_wave_that_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "absent" / "x.vcd"
    with (
        open_board(trace=True) as board,
        pytest.raises(BoardError, match=r"^wave .*absent.*: expected a file to write"),
        board.wave(path),
    ):
        pass


def test_a_file_that_is_no_dump_is_refused(tmp_path):
    path = tmp_path / "no.vcd"
    path.write_text("hello\n")
    with pytest.raises(WaveError, match="expected the end of a VCD header"):
        signals(path)
    with pytest.raises(WaveError, match="expected a time, was none"):
        window_ns(path)


def test_a_board_is_built_with_the_sizes_it_is_given():
    names = ("build_symbols", "build_levels", "build_qty_bits")
    with open_board(config=BuildConfig(symbols=2, levels=4, qty_bits=9)) as board:
        assert [board.read(name) for name in names] == [2, 4, 9]
    with open_board() as board:
        assert [board.read(name) for name in names] == [16, 32, 48]
