// SPDX-License-Identifier: Apache-2.0
// What the shims of boards behind AXI share: pauses, and an AXI4-Lite master on the pins s_axi_*.

#pragma once

#include <cstdint>

class Random {  // xorshift64*
public:
    void seed(uint64_t value) { m_state = value * 2 + 1; }
    bool holds(uint32_t per_mille) { return per_mille && next() % 1000 < per_mille; }
    uint64_t next() {
        m_state ^= m_state >> 12;
        m_state ^= m_state << 25;
        m_state ^= m_state >> 27;
        return (m_state * 0x2545F4914F6CDD1Dull) >> 32;
    }

private:
    uint64_t m_state = 1;
};

constexpr uint64_t LITE_PATIENCE = 100000;  // cycles an access may take

// Write a word; the response, or -1 where none comes. `cycle` runs the clock once, `held` says
// whether a channel pauses, `errors` counts answers that come before the question.
template <class Top, class Cycle, class Held>
int lite_write(Top& top, Cycle cycle, Held held, uint64_t& errors, uint32_t address, uint32_t value,
               uint8_t strobes) {
    bool address_sent = false, data_sent = false;
    for (uint64_t i = 0; i < LITE_PATIENCE; ++i) {
        top.s_axi_awaddr = address;
        top.s_axi_wdata = value;
        top.s_axi_wstrb = strobes;
        if (!address_sent && !top.s_axi_awvalid) top.s_axi_awvalid = !held();
        if (!data_sent && !top.s_axi_wvalid) top.s_axi_wvalid = !held();
        top.s_axi_bready = !held();
        cycle();
        if (top.s_axi_awvalid && top.s_axi_awready) {
            address_sent = true;
            top.s_axi_awvalid = 0;
        }
        if (top.s_axi_wvalid && top.s_axi_wready) {
            data_sent = true;
            top.s_axi_wvalid = 0;
        }
        if (top.s_axi_bvalid && top.s_axi_bready) {
            const int response = top.s_axi_bresp;
            if (!address_sent || !data_sent) ++errors;
            top.s_axi_bready = 0;
            return response;
        }
    }
    return -1;
}

// Read a word likewise.
template <class Top, class Cycle, class Held>
int lite_read(Top& top, Cycle cycle, Held held, uint64_t& errors, uint32_t address, uint32_t* value) {
    bool sent = false;
    for (uint64_t i = 0; i < LITE_PATIENCE; ++i) {
        top.s_axi_araddr = address;
        if (!sent && !top.s_axi_arvalid) top.s_axi_arvalid = !held();
        top.s_axi_rready = !held();
        cycle();
        if (top.s_axi_arvalid && top.s_axi_arready) {
            sent = true;
            top.s_axi_arvalid = 0;
        }
        if (top.s_axi_rvalid && top.s_axi_rready) {
            *value = top.s_axi_rdata;
            const int response = top.s_axi_rresp;
            if (!sent) ++errors;
            top.s_axi_rready = 0;
            return response;
        }
    }
    return -1;
}
