// SPDX-License-Identifier: Apache-2.0
// The C interface of a Verilated core behind AXI: an AXI4-Lite master for its registers, and the two
// ends of a DMA's streams. Every channel can be held up at random, each by itself.
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

constexpr int BEAT = 8;  // bytes of a stream's beat

struct Beat {
    uint64_t data;
    uint8_t keep, last;
};

class Axi {
public:
    explicit Axi(uint32_t seed) {
        m_context.randReset(2);
        m_context.randSeed(static_cast<int>(seed % 0x7ffffffe + 1));
        m_top = std::make_unique<Vboard>(&m_context, "");
        m_top->clk = 0;  // the pins hold rubbish as everything does
        m_top->s_axi_awvalid = m_top->s_axi_wvalid = m_top->s_axi_arvalid = 0;
        m_top->s_axi_bready = m_top->s_axi_rready = m_top->kill_pin = 0;
        m_top->eval();
        reset(8);
    }
    ~Axi() { m_top->final(); }

    void reset(uint64_t cycles) {
        abandon();
        m_top->rst = 1;
        for (uint64_t i = 0; i < cycles; ++i) cycle();
        m_top->rst = 0;
        cycle();
    }
    // A DMA that is reset drops what it has not sent and what it has been sent so far.
    void abandon() {
        m_in.clear();
        m_offered = false;
        m_top->s_axis_tvalid = 0;
        m_out.clear();
        m_room = 0;
        m_ended = m_overflow = false;
    }
    void stalls(uint64_t seed, uint32_t in, uint32_t out, uint32_t lite) {
        m_random.seed(seed);
        m_stall_in = in;
        m_stall_out = out;
        m_stall_lite = lite;
    }

    void put(const uint8_t* bytes, uint64_t n, bool last) {
        for (uint64_t at = 0; at < n; at += BEAT) {
            const uint64_t take = n - at < BEAT ? n - at : BEAT;
            Beat beat{0, static_cast<uint8_t>((1u << take) - 1), last && at + take == n};
            std::memcpy(&beat.data, bytes + at, take);
            m_in.push_back(beat);
        }
    }
    uint64_t waiting() const { return m_in.size(); }

    // Take one packet of at most so many bytes.
    void arm(uint64_t bytes) {
        m_out.clear();
        m_room = bytes;
        m_ended = m_overflow = false;
    }
    int ended() const { return m_overflow ? -1 : m_ended; }
    uint64_t got(uint8_t* out) const {
        std::memcpy(out, m_out.data(), m_out.size());
        return m_out.size();
    }

    void run(uint64_t cycles) {
        for (uint64_t i = 0; i < cycles; ++i) cycle();
    }
    void kill_pin(bool high) { m_top->kill_pin = high; }

    int write(uint32_t address, uint32_t value, uint8_t strobes) {
        return lite_write(*m_top, [&] { cycle(); }, [&] { return m_random.holds(m_stall_lite); },
                          m_errors, address, value, strobes);
    }
    int read(uint32_t address, uint32_t* value) {
        return lite_read(*m_top, [&] { cycle(); }, [&] { return m_random.holds(m_stall_lite); },
                         m_errors, address, value);
    }

    uint64_t cycles() const { return m_cycles; }
    uint64_t errors() const { return m_errors; }

private:
    void cycle() {
        if (!m_offered && !m_in.empty() && !m_random.holds(m_stall_in)) {
            m_offered = true;
            m_top->s_axis_tvalid = 1;
            m_top->s_axis_tdata = m_in.front().data;
            m_top->s_axis_tkeep = m_in.front().keep;
            m_top->s_axis_tlast = m_in.front().last;
        }
        m_top->m_axis_tready =
            m_room != 0 && !m_ended && !m_overflow && !m_random.holds(m_stall_out);
        m_top->clk = 0;
        m_top->eval();
        m_top->clk = 1;
        m_top->eval();
        ++m_cycles;
        watch();
        if (m_offered && m_top->s_axis_tready) {
            m_in.pop_front();
            m_offered = false;
            m_top->s_axis_tvalid = 0;
        }
        if (m_top->m_axis_tvalid && m_top->m_axis_tready) take();
    }

    void take() {
        if (m_room < BEAT) {
            m_overflow = true;
            return;
        }
        const uint64_t data = m_top->m_axis_tdata;
        const size_t at = m_out.size();
        m_out.resize(at + BEAT);
        std::memcpy(m_out.data() + at, &data, BEAT);
        m_room -= BEAT;
        if (m_top->m_axis_tkeep != 0xff) ++m_errors;
        if (m_top->m_axis_tlast)
            m_ended = true;
        else if (m_room == 0)
            m_overflow = true;
    }

    // What is offered and not taken stays.
    void watch() {
        const Beat now{m_top->m_axis_tdata, 0xff, m_top->m_axis_tlast};
        const bool valid = m_top->m_axis_tvalid && !m_top->rst;
        if (m_waits && !m_top->rst &&
            (!valid || now.data != m_before.data || now.last != m_before.last))
            ++m_errors;
        m_waits = valid && !m_top->m_axis_tready;
        m_before = now;
    }

    VerilatedContext m_context;
    std::unique_ptr<Vboard> m_top;
    Random m_random;
    std::deque<Beat> m_in;
    std::vector<uint8_t> m_out;
    Beat m_before{};
    uint64_t m_cycles = 0, m_errors = 0, m_room = 0;
    uint32_t m_stall_in = 0, m_stall_out = 0, m_stall_lite = 0;
    bool m_offered = false, m_ended = false, m_overflow = false, m_waits = false;
};

}  // namespace

TG_API void* tga_create(uint32_t seed) { return new Axi(seed); }
TG_API void tga_destroy(Axi* axi) { delete axi; }
TG_API void tga_reset(Axi* axi, uint64_t cycles) { axi->reset(cycles); }
TG_API void tga_abandon(Axi* axi) { axi->abandon(); }
TG_API void tga_stalls(Axi* axi, uint64_t seed, uint32_t in, uint32_t out, uint32_t lite) {
    axi->stalls(seed, in, out, lite);
}
TG_API void tga_put(Axi* axi, const uint8_t* bytes, uint64_t n, int last) { axi->put(bytes, n, last); }
TG_API uint64_t tga_waiting(Axi* axi) { return axi->waiting(); }
TG_API void tga_arm(Axi* axi, uint64_t bytes) { axi->arm(bytes); }
TG_API int tga_ended(Axi* axi) { return axi->ended(); }
TG_API uint64_t tga_got(Axi* axi, uint8_t* out) { return axi->got(out); }
TG_API void tga_run(Axi* axi, uint64_t cycles) { axi->run(cycles); }
TG_API void tga_kill_pin(Axi* axi, int high) { axi->kill_pin(high != 0); }
TG_API int tga_write(Axi* axi, uint32_t address, uint32_t value, uint32_t strobes) {
    return axi->write(address, value, static_cast<uint8_t>(strobes));
}
TG_API int tga_read(Axi* axi, uint32_t address, uint32_t* value) { return axi->read(address, value); }
TG_API uint64_t tga_cycles(Axi* axi) { return axi->cycles(); }
TG_API uint64_t tga_errors(Axi* axi) { return axi->errors(); }
