// A board with a serial port: the generated top, its two wires driven bit by bit. Built by sim/board.py, which writes
// board.h with DIVISOR (clocks of a bit) and QUIET (clocks without traffic after which nothing can happen any more).
//
// Bytes on standard input arrive on rx, bytes from tx leave on standard output. While the line is quiet and nothing is
// under way the clock stands still, so that a waiting board costs no processor.
#include <poll.h>
#include <unistd.h>

#include <cstdint>
#include <deque>
#include <vector>

#include "Vtop.h"
#include "board.h"
#include "verilated.h"

namespace {

VerilatedContext context;
Vtop top{&context};

void cycle() {
    top.clk = 1;
    top.eval();
    top.clk = 0;
    top.eval();
}

struct Sender {
    std::deque<uint8_t> queue;
    uint32_t bits = 0, count = 0, left = 0;
    bool idle() const { return queue.empty() && !count; }
    void step() {
        if (!count && !queue.empty()) {
            bits = 0x200u | (queue.front() << 1);
            queue.pop_front();
            count = 10;
            left = DIVISOR;
        }
        top.rx = count ? bits & 1 : 1;
        if (count && !--left) {
            bits >>= 1;
            count--;
            left = DIVISOR;
        }
    }
};

struct Receiver {
    std::vector<uint8_t> bytes;
    uint32_t shift = 0, count = 0, left = 0;
    void step() {
        if (!count) {
            if (!top.tx) {
                count = 10;
                left = DIVISOR / 2;
                shift = 0;
            }
            return;
        }
        if (left--) return;
        left = DIVISOR - 1;
        shift |= uint32_t(top.tx) << (10 - count);
        if (--count == 0) bytes.push_back(shift >> 1);
    }
};

bool flush(std::vector<uint8_t>& bytes) {
    for (size_t done = 0; done < bytes.size();) {
        ssize_t n = write(1, bytes.data() + done, bytes.size() - done);
        if (n <= 0) return false;
        done += n;
    }
    bytes.clear();
    return true;
}

}  // namespace

int main() {
    Sender sender;
    Receiver receiver;
    uint64_t quiet = 0;
    bool open = true;
    top.clk = 0;
    top.rx = 1;
    top.rst = 1;
    for (int k = 0; k < 8; k++) cycle();
    top.rst = 0;
    while (open || quiet < QUIET) {
        pollfd input{0, POLLIN, 0};
        if (open && poll(&input, 1, quiet < QUIET ? 0 : -1) > 0) {
            uint8_t buffer[4096];
            ssize_t n = read(0, buffer, sizeof buffer);
            if (n <= 0) open = false;
            if (n > 0) {
                sender.queue.insert(sender.queue.end(), buffer, buffer + n);
                quiet = 0;
            }
        }
        for (int k = 0; k < 2000; k++) {
            sender.step();
            cycle();
            receiver.step();
            quiet = sender.idle() && !receiver.count ? quiet + 1 : 0;
        }
        if (!receiver.bytes.empty() && !flush(receiver.bytes)) return 0;
    }
    return 0;
}
