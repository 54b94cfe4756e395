// Plays acts on a compiled design, as sim/abuse_player.py does in Amaranth's simulator. That file writes ports.h.
//
// Standard input, in words of 64 bits: acts, idle limit, whether to trace, surplus words that end an act; then for each act
// answers, stall of the sources, stall of the sink, hold, seed, clock of reset, and for each input the number of its words
// and each word with its gap. Standard output: the acts played, for each status, clocks, number of words and the words;
// then, if asked for, every port in every clock.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "ports.h"

namespace {

constexpr uint64_t TOGGLE = 101, NEVER = 1ull << 32;

uint64_t next() {
    uint64_t word;
    if (std::fread(&word, 8, 1, stdin) != 1) {
        std::fprintf(stderr, "input is too short\n");
        std::exit(2);
    }
    return word;
}

struct Dice {
    uint64_t state;
    Dice(uint64_t seed, uint64_t number)
        : state((seed * 2 + 1) * (0x9e3779b97f4a7c15ull + 2 * number * 0xbf58476d1ce4e5b9ull)) {}
    bool waits(uint64_t stall, uint64_t clock) {
        if (stall == TOGGLE) return clock & 1;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return stall && (state >> 33) % 100 < stall;
    }
};

struct Source {
    std::vector<uint64_t> words, gaps;
    size_t at = 0;
    uint64_t gap = 0;
    bool offering = false;
    Dice dice{0, 0};
    bool done() const { return at == words.size(); }
    void begin(uint64_t seed, uint64_t number) {
        dice = Dice(seed, number);
        gap = words.empty() ? 0 : gaps[0];
    }
    void drive(uint64_t stall, uint64_t clock) {
        if (done() || offering) return;
        if (gap) gap--;
        else offering = !dice.waits(stall, clock);
    }
    void taken() {
        offering = false;
        at++;
        if (!done()) gap = gaps[at];
    }
};

void give(const std::vector<uint64_t>& words) { std::fwrite(words.data(), 8, words.size(), stdout); }

}  // namespace

int main(int argc, char** argv) {
    const uint64_t acts = next(), limit = next(), traced = next(), enough = next();
    Model model;
    model.context->commandArgs(argc, argv);
    std::vector<uint64_t> results, trace;
    uint64_t now[PORTS], played = 0;
    auto tick = [&] {
        if (traced) {
            model.look(now);
            trace.insert(trace.end(), now, now + PORTS);
        }
        model.cycle();
    };
    model.reset(true);
    for (size_t k = 0; k < INPUTS; k++) model.offer(k, false, 0);
    model.accept(false);
    for (int k = 0; k < 2; k++) {
        model.settle();
        tick();
    }
    for (uint64_t number = 0, status = 0; number < acts && !status; number++) {
        const uint64_t answers = next(), stall_in = next(), stall_out = next(), hold = next(), seed = next(), reset_at = next();
        std::vector<Source> sources(INPUTS);
        for (size_t k = 0; k < INPUTS; k++) {
            for (uint64_t count = next(); count; count--) {
                sources[k].words.push_back(next());
                sources[k].gaps.push_back(next());
            }
            sources[k].begin(seed, k + 1);
        }
        Dice sink(seed, 0);
        std::vector<uint64_t> words;
        uint64_t clock = 0, idle = 0, held = 0;
        bool waiting = false;
        auto done = [&] {
            if (status || clock > reset_at) return true;
            if (reset_at != NEVER || words.size() < answers) return false;
            for (const Source& source : sources)
                if (!source.done()) return false;
            return true;
        };
        while (!done()) {
            const bool reset = clock == reset_at;
            for (size_t k = 0; k < INPUTS; k++) {
                Source& source = sources[k];
                source.drive(stall_in, clock + seed);
                model.offer(k, source.offering, source.offering ? source.words[source.at] : 0 - (clock & 1));
            }
            const bool accept = !sink.waits(stall_out, clock + seed) && clock >= hold;
            model.accept(accept);
            model.reset(reset);
            model.settle();
            idle++;
            for (size_t k = 0; k < INPUTS; k++)
                if (sources[k].offering && model.taken(k) && !reset) {
                    sources[k].taken();
                    idle = 0;
                }
            const bool valid = model.shown();
            const uint64_t word = model.answer();
            if (waiting && !(valid && word == held)) status = 1;
            waiting = valid && !accept;
            held = word;
            if (valid && accept && !reset) {
                idle = 0;
                words.push_back(word);
            }
            if (words.size() > answers + enough) status = 2;
            if (clock < hold) idle = 0;
            if (idle > limit && reset_at == NEVER) status = 3;
            tick();
            clock++;
        }
        played++;
        results.insert(results.end(), {status, clock, words.size()});
        results.insert(results.end(), words.begin(), words.end());
    }
    give({played});
    give(results);
    give(trace);
#ifdef COVERED
    model.top->final();
    model.context->coveragep()->write(argv[argc - 1]);
#endif
    return 0;
}
