// SPDX-License-Identifier: Apache-2.0
// The C interface of a Verilated kernel: its control port, and the card's memory behind its memory port.
// The memory answers after a random number of cycles, in order, and every channel may pause.
//
// Inputs are registered (sim/pins.py): what is set here belongs to the cycle that the next rising edge
// begins, and after that edge valid and ready are what the edge at the cycle's end will see.

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "Vboard.h"
#include "axi_lite.h"
#include "verilated.h"

#define TG_API extern "C" __attribute__((visibility("default")))

namespace {

constexpr uint64_t BEAT = 64;
constexpr uint64_t PAGE = 4096;

struct Burst {
    uint64_t at, beats, due;
};

class Kernel {
public:
    Kernel(uint64_t base, uint64_t bytes, uint32_t seed) : m_base(base), m_memory(bytes, 0xa5) {
        m_context.randReset(2);
        m_context.randSeed(static_cast<int>(seed % 0x7ffffffe + 1));
        m_top = std::make_unique<Vboard>(&m_context, "");
        m_top->clk = 0;  // the pins hold rubbish as everything does
        m_top->s_axi_awvalid = m_top->s_axi_wvalid = m_top->s_axi_arvalid = 0;
        m_top->s_axi_bready = m_top->s_axi_rready = 0;
        m_top->eval();
        reset(8);
    }
    ~Kernel() { m_top->final(); }

    void reset(uint64_t cycles) {
        m_reads.clear();
        m_answers.clear();
        m_addresses.clear();
        m_rows.clear();
        m_top->m_axi_gmem_rvalid = 0;
        m_top->m_axi_gmem_bvalid = 0;
        m_top->rst = 1;
        run(cycles);
        m_top->rst = 0;
        run(1);
    }
    void stalls(uint64_t seed, uint32_t memory, uint32_t latency, uint32_t lite) {
        m_random.seed(seed);
        m_stall = memory;
        m_latency = latency;
        m_stall_lite = lite;
    }
    // Reads, or writes, from here on answer with an error.
    void limit(uint64_t reads, uint64_t writes) {
        m_read_limit = reads;
        m_write_limit = writes;
    }

    uint8_t* memory() { return m_memory.data(); }
    int write(uint32_t address, uint32_t value, uint8_t strobes) {
        return lite_write(*m_top, [&] { cycle(); }, [&] { return m_random.holds(m_stall_lite); },
                          m_errors, address, value, strobes);
    }
    int read(uint32_t address, uint32_t* value) {
        return lite_read(*m_top, [&] { cycle(); }, [&] { return m_random.holds(m_stall_lite); },
                         m_errors, address, value);
    }
    // Run until the interrupt, or for so many cycles; whether it came. Verilator renames that pin.
    int until(uint64_t cycles) {
        for (uint64_t i = 0; i < cycles && !m_top->__SYM__interrupt; ++i) cycle();
        return m_top->__SYM__interrupt;
    }
    void run(uint64_t cycles) {
        for (uint64_t i = 0; i < cycles; ++i) cycle();
    }
    uint64_t cycles() const { return m_cycles; }
    uint64_t errors() const { return m_errors; }

private:
    bool held() { return m_random.holds(m_stall); }
    uint64_t later() { return m_cycles + 1 + (m_latency ? m_random.next() % m_latency : 0); }
    bool outside(uint64_t at, uint64_t limit) const {
        return at < m_base || at + BEAT > m_base + m_memory.size() || at + BEAT > limit;
    }

    void cycle() {
        Vboard& top = *m_top;
        top.m_axi_gmem_arready = !held();
        top.m_axi_gmem_awready = !held();
        top.m_axi_gmem_wready = !held();
        offer_read();
        if (!top.m_axi_gmem_bvalid && !m_answers.empty() && m_answers.front().due <= m_cycles &&
            !held()) {
            top.m_axi_gmem_bvalid = 1;
            top.m_axi_gmem_bresp = outside(m_answers.front().at, m_write_limit) ? 3 : 0;
        }
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
        ++m_cycles;
        if (top.rst) return;
        watch();
        if (top.m_axi_gmem_arvalid && top.m_axi_gmem_arready) ask();
        if (top.m_axi_gmem_rvalid && top.m_axi_gmem_rready) {
            top.m_axi_gmem_rvalid = 0;
            Burst& burst = m_reads.front();
            burst.at += BEAT;
            if (--burst.beats == 0) m_reads.pop_front();
        }
        if (top.m_axi_gmem_awvalid && top.m_axi_gmem_awready) {
            if (top.m_axi_gmem_awlen != 0 || top.m_axi_gmem_awsize != 6) ++m_errors;
            m_addresses.push_back(top.m_axi_gmem_awaddr);
        }
        if (top.m_axi_gmem_wvalid && top.m_axi_gmem_wready) {
            if (!top.m_axi_gmem_wlast || ~top.m_axi_gmem_wstrb) ++m_errors;
            std::vector<uint8_t> row(BEAT);
            std::memcpy(row.data(), &top.m_axi_gmem_wdata, BEAT);
            m_rows.push_back(std::move(row));
        }
        while (!m_addresses.empty() && !m_rows.empty()) {
            const uint64_t at = m_addresses.front();
            if (!outside(at, m_write_limit)) std::memcpy(&m_memory[at - m_base], m_rows.front().data(), BEAT);
            m_answers.push_back({at, 1, later()});
            m_addresses.pop_front();
            m_rows.pop_front();
        }
        if (top.m_axi_gmem_bvalid && top.m_axi_gmem_bready) {
            top.m_axi_gmem_bvalid = 0;
            m_answers.pop_front();
        }
    }

    void ask() {
        const uint64_t at = m_top->m_axi_gmem_araddr, beats = m_top->m_axi_gmem_arlen + 1u;
        if (at % BEAT || at / PAGE != (at + beats * BEAT - 1) / PAGE ||
            m_top->m_axi_gmem_arsize != 6 || m_top->m_axi_gmem_arburst != 1)
            ++m_errors;
        m_reads.push_back({at, beats, later()});
    }

    void offer_read() {
        Vboard& top = *m_top;
        if (top.m_axi_gmem_rvalid || m_reads.empty() || m_reads.front().due > m_cycles || held())
            return;
        const Burst& burst = m_reads.front();
        top.m_axi_gmem_rvalid = 1;
        top.m_axi_gmem_rlast = burst.beats == 1;
        top.m_axi_gmem_rresp = outside(burst.at, m_read_limit) ? 3 : 0;
        if (outside(burst.at, m_read_limit))
            std::memset(&top.m_axi_gmem_rdata, 0x5a, BEAT);
        else
            std::memcpy(&top.m_axi_gmem_rdata, &m_memory[burst.at - m_base], BEAT);
    }

    // What is offered and not taken stays.
    void watch() {
        const Vboard& top = *m_top;
        if (m_ar_waits && (!top.m_axi_gmem_arvalid || top.m_axi_gmem_araddr != m_ar)) ++m_errors;
        if (m_aw_waits && (!top.m_axi_gmem_awvalid || top.m_axi_gmem_awaddr != m_aw)) ++m_errors;
        if (m_w_waits &&
            (!top.m_axi_gmem_wvalid || std::memcmp(&top.m_axi_gmem_wdata, m_w, BEAT) != 0))
            ++m_errors;
        m_ar_waits = top.m_axi_gmem_arvalid && !top.m_axi_gmem_arready;
        m_aw_waits = top.m_axi_gmem_awvalid && !top.m_axi_gmem_awready;
        m_w_waits = top.m_axi_gmem_wvalid && !top.m_axi_gmem_wready;
        m_ar = top.m_axi_gmem_araddr;
        m_aw = top.m_axi_gmem_awaddr;
        std::memcpy(m_w, &top.m_axi_gmem_wdata, BEAT);
    }

    VerilatedContext m_context;
    std::unique_ptr<Vboard> m_top;
    const uint64_t m_base;
    std::vector<uint8_t> m_memory;
    Random m_random;
    std::deque<Burst> m_reads, m_answers;
    std::deque<uint64_t> m_addresses;
    std::deque<std::vector<uint8_t>> m_rows;
    uint64_t m_cycles = 0, m_errors = 0, m_ar = 0, m_aw = 0;
    uint64_t m_read_limit = ~0ull, m_write_limit = ~0ull;
    uint32_t m_stall = 0, m_latency = 0, m_stall_lite = 0;
    uint8_t m_w[BEAT] = {};
    bool m_ar_waits = false, m_aw_waits = false, m_w_waits = false;
};

}  // namespace

TG_API void* tgk_create(uint64_t base, uint64_t bytes, uint32_t seed) {
    return new Kernel(base, bytes, seed);
}
TG_API void tgk_destroy(Kernel* kernel) { delete kernel; }
TG_API void tgk_reset(Kernel* kernel, uint64_t cycles) { kernel->reset(cycles); }
TG_API void tgk_stalls(Kernel* kernel, uint64_t seed, uint32_t memory, uint32_t latency, uint32_t lite) {
    kernel->stalls(seed, memory, latency, lite);
}
TG_API void tgk_limit(Kernel* kernel, uint64_t reads, uint64_t writes) {
    kernel->limit(reads, writes);
}
TG_API uint8_t* tgk_memory(Kernel* kernel) { return kernel->memory(); }
TG_API int tgk_write(Kernel* kernel, uint32_t address, uint32_t value, uint32_t strobes) {
    return kernel->write(address, value, static_cast<uint8_t>(strobes));
}
TG_API int tgk_read(Kernel* kernel, uint32_t address, uint32_t* value) {
    return kernel->read(address, value);
}
TG_API int tgk_until(Kernel* kernel, uint64_t cycles) { return kernel->until(cycles); }
TG_API void tgk_run(Kernel* kernel, uint64_t cycles) { kernel->run(cycles); }
TG_API uint64_t tgk_cycles(Kernel* kernel) { return kernel->cycles(); }
TG_API uint64_t tgk_errors(Kernel* kernel) { return kernel->errors(); }
