// A host link and a stub behind it, drowned in noise. Built by sim/noise.py, which writes noise.h with DIVISOR (clocks
// of a bit) and QUIET (clocks of silence after which nothing can be under way any more).
//
// Standard input: records of a kind (one byte), a length (four bytes, least significant first) and so many bytes. Kind
// 0 are bytes for the line; kind 1 are lengths of time, in clocks, in which the line is low, high, low, and so on.
// Standard output: for each record, once all is quiet, a length and the bytes that the board sent. Exit status 3: the
// board does not fall silent.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vtop.h"
#include "noise.h"
#include "verilated.h"

namespace {

VerilatedContext context;
Vtop top{&context};
std::vector<uint8_t> heard;
uint32_t shift = 0, count = 0, left = 0;
uint64_t quiet = 0;

void listen() {
    quiet++;
    if (!count) {
        if (top.tx) return;
        count = 10;
        left = DIVISOR / 2;
        shift = 0;
    }
    quiet = 0;
    if (left--) return;
    left = DIVISOR - 1;
    shift |= uint32_t(top.tx) << (10 - count);
    if (--count == 0) heard.push_back(shift >> 1);
}

void hold(bool level, uint32_t clocks) {
    top.rx = level;
    while (clocks--) {
        top.clk = 1;
        top.eval();
        top.clk = 0;
        top.eval();
        listen();
    }
}

void send(uint8_t byte) {
    hold(false, DIVISOR);
    for (int k = 0; k < 8; k++) hold(byte >> k & 1, DIVISOR);
    hold(true, DIVISOR);
}

void give() {
    const uint32_t size = heard.size();
    for (int k = 0; k < 4; k++) std::putchar(size >> 8 * k & 0xff);
    std::fwrite(heard.data(), 1, size, stdout);
    heard.clear();
}

}  // namespace

int main() {
    top.clk = 0;
    top.rst = 1;
    hold(true, 8);
    top.rst = 0;
    for (int kind; (kind = std::getchar()) != EOF;) {
        uint32_t size = 0;
        for (int k = 0; k < 4; k++) size |= uint32_t(std::getchar()) << 8 * k;
        for (uint32_t k = 0; k < size; k++) {
            const uint8_t byte = std::getchar();
            kind ? hold(k & 1, byte) : send(byte);
        }
        quiet = 0;
        uint64_t waited = 0;
        for (; quiet < QUIET; waited++) {
            if (waited > 100 * QUIET) return 3;
            hold(true, 1);
        }
        give();
    }
    return 0;
}
