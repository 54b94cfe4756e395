// Streams frames through a compiled accelerator and records every edge. Built by sim/compiled.py, which writes edges.h.
//
// Standard input: eight words of 64 bits (frames, words a frame, stall percent in and out, seed, idle limit, progress
// step, zero), then the input words, each in whole 64-bit words, least significant first.
// Standard output: for each edge the number of words and the words, then for each frame the clock of its last answer word,
// then the number of clocks. Exit status 3: nothing moved for too long; 4: a stream broke its contract.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "edges.h"

namespace {

struct Dice {
    uint64_t state;
    bool below(uint64_t percent) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return percent && (state >> 33) % 100 < percent;
    }
};

struct Edge {
    std::vector<uint64_t> words;
    std::vector<uint64_t> now;
    std::vector<uint64_t> held;
    uint64_t count = 0;
    bool waiting = false;
};

void take(std::vector<uint64_t>& to, size_t count) {
    to.resize(count);
    if (count && std::fread(to.data(), 8, count, stdin) != count) {
        std::fprintf(stderr, "input is too short\n");
        std::exit(2);
    }
}

void give(const std::vector<uint64_t>& from) {
    std::fwrite(from.data(), 8, from.size(), stdout);
}

}  // namespace

int main() {
    std::vector<uint64_t> head, input;
    take(head, 8);
    const uint64_t frames = head[0], words = head[1], stall_in = head[2], stall_out = head[3];
    const uint64_t idle_limit = head[5], step = head[6];
    take(input, frames * words * INPUT_WORDS);
    // Multiplied by an odd number with many bits: from a small state the first throws would all be 0.
    Dice source{(head[4] * 2 + 1) * 0x9e3779b97f4a7c15ull}, sink{(head[4] * 2 + 1) * 0xbf58476d1ce4e5b9ull};

    Model model;
    std::vector<Edge> edges(EDGES);
    std::vector<uint64_t> ends;
    uint64_t clock = 0, sent = 0, idle = 0;
    bool offering = false;

    model.clock(0);
    model.reset(1);
    model.offer(false, nullptr, false);
    model.accept(false);
    for (int k = 0; k < 4; k++) model.cycle();
    model.reset(0);
    // Weights that are no part of the build come first, and a moment to show the first of them.
    for (size_t k = 0; k < Model::LOADS;) {
        model.load(true, Model::CHUNKS[k], k + 1 == Model::LOADS);
        model.settle();
        if (model.loads()) k++;
        model.cycle();
    }
    model.load(false, 0, false);
    for (int k = 0; Model::LOADS && k < 2; k++) model.cycle();
    // The end of an image may come after its answer: pixels that no window sees.
    auto done = [&] {
        if (ends.size() < frames || sent < frames * words) return false;
        for (size_t k = 0; k < EDGES; k++)
            if (edges[k].count < frames * WORDS[k]) return false;
        return true;
    };
    while (!done()) {
        if (!offering && sent < frames * words) offering = !source.below(stall_in);
        model.offer(offering, offering ? &input[sent * INPUT_WORDS] : nullptr, offering && sent % words == words - 1);
        model.accept(!sink.below(stall_out));
        model.settle();
        if (offering && model.taken()) {
            offering = false;
            sent++;
        }
        idle++;
        for (size_t k = 0; k < EDGES; k++) {
            Edge& edge = edges[k];
            bool valid, ready;
            model.look(k, valid, ready, edge.now);
            if (edge.waiting && (!valid || edge.now != edge.held)) {
                std::fprintf(stderr, "edge %zu took back an offer at clock %llu\n", k, (unsigned long long)clock);
                return 4;
            }
            edge.waiting = valid && !ready;
            edge.held = edge.now;
            if (!valid || !ready) continue;
            idle = 0;
            edge.count++;
            if (edge.count > frames * WORDS[k] + 64) {
                std::fprintf(stderr, "edge %zu sends without end\n", k);
                return 3;
            }
            edge.words.insert(edge.words.end(), edge.now.begin(), edge.now.end());
            if (k == EDGES - 1 && model.ends() && ends.size() < frames) {
                ends.push_back(clock);
                if (step && ends.size() % step == 0) std::fprintf(stderr, "%zu\n", ends.size());
            }
        }
        if (idle > idle_limit) {
            std::fprintf(stderr, "nothing moved for %llu clocks; %zu of %llu frames were answered\n",
                         (unsigned long long)idle, ends.size(), (unsigned long long)frames);
            return 3;
        }
        model.cycle();
        clock++;
    }
    // What comes after the last answer is surplus: look for a while.
    model.offer(false, nullptr, false);
    model.accept(true);
    for (int k = 0; k < 64; k++) {
        model.settle();
        for (size_t e = 0; e < EDGES; e++) {
            bool valid, ready;
            model.look(e, valid, ready, edges[e].now);
            if (valid && ready) edges[e].words.insert(edges[e].words.end(), edges[e].now.begin(), edges[e].now.end());
        }
        model.cycle();
    }
    for (const Edge& edge : edges) {
        give({edge.words.size()});
        give(edge.words);
    }
    give(ends);
    give({clock});
    return 0;
}
