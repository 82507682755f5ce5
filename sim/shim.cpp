// SPDX-License-Identifier: Apache-2.0
// The simulated board's C interface around one Verilated core.
// Everything that depends on the core's ports is in the generated ports.h.
//
// The top module registers the core's inputs (sim/shim.py). So what is set here belongs to the
// cycle that the next rising edge begins, and after that edge is evaluated everything has settled,
// combinational paths included: valid and ready are what the edge at the cycle's end will see.
// Inputs that went straight into the core would have its logic evaluated twice more in a cycle.

#include "ports.h"

#include <cstdint>
#include <cstring>
#include <memory>

#include "verilated.h"
#if TG_TRACE
#include "verilated_vcd_c.h"
#endif

#define TG_API extern "C" __attribute__((visibility("default")))

namespace {

constexpr uint64_t PERIOD = 10;  // trace time of a cycle, ns

enum Status : int { DRAINED = 0, FULL = 1, STUCK = 2 };

class Random {  // xorshift64*
public:
    void seed(uint64_t value) { m_state = value * 2 + 1; }
    uint32_t per_mille() {
        m_state ^= m_state >> 12;
        m_state ^= m_state << 25;
        m_state ^= m_state >> 27;
        return static_cast<uint32_t>(((m_state * 0x2545F4914F6CDD1Dull) >> 32) % 1000);
    }

private:
    uint64_t m_state = 1;
};

class Board {
public:
    Board(int random_init, uint32_t seed) {
        m_context.randReset(random_init ? 2 : 0);
        // Verilator takes 0 as "pick a seed".
        m_context.randSeed(static_cast<int>(seed % 0x7ffffffe + 1));
#if TG_TRACE
        m_context.traceEverOn(true);
#endif
        m_top = std::make_unique<ports::Top>(&m_context, "");
        ports::clear_inputs(*m_top);
        m_top->clk = 0;
        m_top->eval();
    }

    ~Board() {
        trace_stop();
        m_top->final();
    }

    void reset(uint32_t cycles) {
        ports::clear_inputs(*m_top);
        m_top->rst = 1;
        for (uint32_t i = 0; i < cycles; ++i) cycle();
        m_top->rst = 0;
        m_held = false;
    }

    void step(uint64_t cycles) {
        for (uint64_t i = 0; i < cycles; ++i) cycle();
    }

    void write_register(uint32_t address, uint32_t value) {
        m_top->reg_addr = address;
        m_top->reg_w_data = value;
        m_top->reg_w_en = 1;
        step(1);
        m_top->reg_w_en = 0;
    }

    uint32_t read_register(uint32_t address) {
        m_top->reg_addr = address;
        m_top->reg_r_en = 1;
        step(1);
        m_top->reg_r_en = 0;
        step(1);  // the answer is there in the cycle after the request
        return m_top->reg_r_data;
    }

    int transfer(const uint8_t* in, uint64_t n_in, uint64_t* consumed, uint8_t* out,
                 uint64_t capacity, uint64_t* n_out, uint64_t idle_limit, uint64_t stall_limit) {
        uint64_t next = 0;   // records taken over
        uint64_t got = 0;    // records collected
        uint64_t idle = 0;   // cycles without output since the last input
        uint64_t stuck = 0;  // cycles without any progress
        int status = DRAINED;
        while (true) {
            if (got == capacity) {
                status = FULL;
                break;
            }
            // A record that was offered stays offered until the core takes it.
            if (!m_top->s_tvalid) {
                if (next == n_in) {
                    if (idle >= idle_limit) break;
                } else if (!pause(m_in_pause)) {
                    ports::put_s_tdata(*m_top, in + next * ports::IN_BYTES);
                    m_top->s_tvalid = 1;
                    ++next;
                }
            }
            const bool offered = m_top->s_tvalid;
            m_top->m_tready = !pause(m_out_pause);
            cycle();
            if (m_output && m_top->m_tready) {
                ports::get_m_tdata(*m_top, out + got * ports::OUT_BYTES);
                ++got;
                stuck = 0;
            }
            if (m_taken) stuck = 0;
            idle = (m_output || offered || next < n_in) ? 0 : idle + 1;
            if (offered && ++stuck > stall_limit) {
                status = STUCK;
                break;
            }
        }
        m_top->m_tready = 0;  // outside of transfers nothing is collected
        *consumed = next;
        *n_out = got;
        return status;
    }

    void set_stalls(uint64_t seed, uint32_t in_per_mille, uint32_t out_per_mille) {
        m_random.seed(seed);
        m_in_pause = in_per_mille;
        m_out_pause = out_per_mille;
    }

    uint64_t cycles() const { return m_cycles; }
    uint64_t protocol_errors() const { return m_errors; }

    int trace_start(const char* path) {
#if TG_TRACE
        trace_stop();
        m_trace = std::make_unique<VerilatedVcdC>();
        m_trace->set_time_unit("1ns");
        m_trace->set_time_resolution("1ns");
        m_top->trace(m_trace.get(), 99);
        m_trace->open(path);
        if (m_trace->isOpen()) return 0;
        m_trace.reset();
#else
        (void)path;
#endif
        return 1;
    }

    void trace_stop() {
#if TG_TRACE
        if (m_trace) {
            m_trace->close();
            m_trace.reset();
        }
#endif
    }

private:
    bool pause(uint32_t per_mille) { return per_mille && m_random.per_mille() < per_mille; }

    // One cycle with the inputs as they are set; what it offers and takes, by the stream rules.
    void cycle() {
        m_top->clk = 0;
        m_top->eval();
        dump(m_cycles * PERIOD + PERIOD / 2);
        ++m_cycles;
        m_top->clk = 1;
        m_top->eval();
        dump(m_cycles * PERIOD);
        m_output = m_top->m_tvalid;
        if (m_held && (!m_output || !ports::same_m_tdata(*m_top, m_payload))) ++m_errors;
        m_held = m_output && !m_top->m_tready && !m_top->rst;
        if (m_held) ports::get_m_tdata(*m_top, m_payload);
        m_taken = m_top->s_tvalid && m_top->s_tready;
        if (m_taken) m_top->s_tvalid = 0;
    }

    void dump(uint64_t time) {
#if TG_TRACE
        if (m_trace) m_trace->dump(time);
#else
        (void)time;
#endif
    }

    VerilatedContext m_context;
    std::unique_ptr<ports::Top> m_top;
#if TG_TRACE
    std::unique_ptr<VerilatedVcdC> m_trace;
#endif
    Random m_random;
    uint32_t m_in_pause = 0;
    uint32_t m_out_pause = 0;
    uint64_t m_cycles = 0;
    uint64_t m_errors = 0;
    bool m_output = false;  // this cycle offers an output
    bool m_taken = false;   // this cycle takes the offered record
    bool m_held = false;    // the last cycle offered an output that was not taken
    uint8_t m_payload[ports::OUT_BYTES] = {};
};

}  // namespace

TG_API uint32_t tg_in_bytes() { return ports::IN_BYTES; }
TG_API uint32_t tg_out_bytes() { return ports::OUT_BYTES; }
TG_API void* tg_create(int random_init, uint32_t seed) { return new Board(random_init, seed); }
TG_API void tg_destroy(Board* board) { delete board; }
TG_API void tg_reset(Board* board, uint32_t cycles) { board->reset(cycles); }
TG_API void tg_step(Board* board, uint64_t cycles) { board->step(cycles); }
TG_API void tg_write_register(Board* board, uint32_t address, uint32_t value) {
    board->write_register(address, value);
}
TG_API uint32_t tg_read_register(Board* board, uint32_t address) {
    return board->read_register(address);
}
TG_API int tg_transfer(Board* board, const uint8_t* in, uint64_t n_in, uint64_t* consumed,
                       uint8_t* out, uint64_t capacity, uint64_t* n_out, uint64_t idle_limit,
                       uint64_t stall_limit) {
    return board->transfer(in, n_in, consumed, out, capacity, n_out, idle_limit, stall_limit);
}
TG_API void tg_set_stalls(Board* board, uint64_t seed, uint32_t in_per_mille,
                          uint32_t out_per_mille) {
    board->set_stalls(seed, in_per_mille, out_per_mille);
}
TG_API uint64_t tg_cycles(Board* board) { return board->cycles(); }
TG_API uint64_t tg_protocol_errors(Board* board) { return board->protocol_errors(); }
TG_API int tg_trace_start(Board* board, const char* path) { return board->trace_start(path); }
TG_API void tg_trace_stop(Board* board) { board->trace_stop(); }
