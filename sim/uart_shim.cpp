// SPDX-License-Identifier: Apache-2.0
// The serial board's C interface: one Verilated core whose only ports are clock, reset, rx and tx.
// Bytes become bits on the rx pin and bits on the tx pin become bytes, at a rate of the host's own,
// which need not be the board's to the last digit.

#include <cstdint>
#include <deque>
#include <memory>

#include "Vboard.h"
#include "verilated.h"

#define TG_API extern "C" __attribute__((visibility("default")))

namespace {

constexpr int BREAK = 256;  // in place of a byte: the line low for two bytes' time

class Pins {
public:
    // clocks: board clocks in a bit of the host, times 2^16
    Pins(uint64_t clocks, uint32_t seed) : m_clocks(clocks) {
        m_context.randReset(2);
        m_context.randSeed(static_cast<int>(seed % 0x7ffffffe + 1));
        m_top = std::make_unique<Vboard>(&m_context, "");
        m_top->clk = 0;
        m_top->rx = 1;
        m_top->rst = 1;
        m_top->eval();
        for (int i = 0; i < 8; ++i) cycle();
        m_top->rst = 0;
    }
    ~Pins() { m_top->final(); }

    void put(const uint16_t* in, uint64_t n) { m_in.insert(m_in.end(), in, in + n); }
    uint64_t waiting() const { return m_in.size() + (m_bits ? 1 : 0); }

    uint64_t run(uint64_t cycles, uint8_t* out, uint64_t capacity) {
        uint64_t got = 0;
        for (uint64_t i = 0; i < cycles && got < capacity; ++i) {
            send();
            cycle();
            if (receive()) out[got++] = static_cast<uint8_t>(m_byte);
        }
        return got;
    }
    uint64_t cycles() const { return m_cycles; }
    uint64_t broken() const { return m_broken; }

private:
    void cycle() {
        m_top->clk = 0;
        m_top->eval();
        m_top->clk = 1;
        m_top->eval();
        ++m_cycles;
    }

    void send() {
        if (m_bits == 0 && !m_in.empty()) {
            const int byte = m_in.front();
            m_in.pop_front();
            m_shift = byte == BREAK ? 0 : (static_cast<uint32_t>(byte) << 1) | 0x200;
            m_bits = byte == BREAK ? 20 : 10;
            if (byte == BREAK) m_shift = 0x80000;
            if (!m_late) m_next = m_cycles << 16;
        }
        m_late = false;
        if (m_bits) {
            m_top->rx = m_shift & 1;
            if (((m_cycles + 1) << 16) >= m_next + m_clocks) {
                m_next += m_clocks;
                m_shift >>= 1;
                if (--m_bits == 0) m_late = true;
            }
        } else {
            m_top->rx = 1;
        }
    }

    bool receive() {
        const uint64_t now = m_cycles << 16;
        if (m_sampled == 0) {
            if (m_top->tx) return false;
            m_sampled = 1;
            m_sample = now + m_clocks / 2;
            m_byte = 0;
            return false;
        }
        if (now < m_sample) return false;
        m_sample += m_clocks;
        const int bit = m_top->tx & 1;
        ++m_sampled;
        if (m_sampled == 2) {  // the start bit
            if (bit) m_sampled = 0;
            return false;
        }
        if (m_sampled <= 10) {
            m_byte |= bit << (m_sampled - 3);
            return false;
        }
        m_sampled = 0;
        if (!bit) {
            ++m_broken;
            return false;
        }
        return true;
    }

    VerilatedContext m_context;
    std::unique_ptr<Vboard> m_top;
    const uint64_t m_clocks;
    std::deque<uint16_t> m_in;
    uint64_t m_cycles = 0, m_next = 0, m_sample = 0, m_broken = 0;
    uint32_t m_shift = 0;
    int m_bits = 0, m_sampled = 0, m_byte = 0;
    bool m_late = false;
};

}  // namespace

TG_API void* tgu_create(uint64_t clocks, uint32_t seed) { return new Pins(clocks, seed); }
TG_API void tgu_destroy(Pins* pins) { delete pins; }
TG_API void tgu_put(Pins* pins, const uint16_t* in, uint64_t n) { pins->put(in, n); }
TG_API uint64_t tgu_waiting(Pins* pins) { return pins->waiting(); }
TG_API uint64_t tgu_run(Pins* pins, uint64_t cycles, uint8_t* out, uint64_t capacity) {
    return pins->run(cycles, out, capacity);
}
TG_API uint64_t tgu_cycles(Pins* pins) { return pins->cycles(); }
TG_API uint64_t tgu_broken(Pins* pins) { return pins->broken(); }
