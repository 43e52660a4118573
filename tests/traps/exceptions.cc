/* SPDX-License-Identifier: MIT */
/*
 * tests/traps/exceptions.cc - std::thread, and C++ exceptions that are thrown through many frames
 * while collections run in another thread. What is thrown lives on the heap, and only the C++
 * library knows of it.
 */
#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

extern "C" size_t gleaner_gc_collect(void) __attribute__((weak));

static std::atomic<bool> is_over;
static std::atomic<int> n_faults;

struct on_the_way {
    std::vector<std::string> names;
    explicit on_the_way(int depth) : names(3, "frame " + std::to_string(depth) + " with a long name") {}
};

static int descend(int depth)
{
    on_the_way here(depth);
    if (depth == 0) {
        throw std::runtime_error("thrown from below, with a text that needs memory of its own");
    }
    return descend(depth - 1) + static_cast<int>(here.names.size());
}

static void throw_often()
{
    for (int i = 0; i < 400; i++) {
        try {
            try {
                descend(20);
            } catch (...) {
                std::vector<std::string> garbage(100, std::string(40, 'x'));
                std::throw_with_nested(std::logic_error("once more, with the first inside of it"));
            }
        } catch (const std::logic_error &e) {
            std::exception_ptr kept = std::current_exception();
            std::vector<std::string> garbage(100, std::string(40, 'y'));
            try {
                std::rethrow_exception(kept);
            } catch (const std::logic_error &again) {
                n_faults += std::string(again.what()) != "once more, with the first inside of it";
            }
            try {
                std::rethrow_if_nested(e);
                n_faults++;
            } catch (const std::runtime_error &inner) {
                n_faults += std::string(inner.what()).compare(0, 17, "thrown from below") != 0;
            }
        }
    }
}

int main()
{
    std::thread collecting([] {
        while (!is_over) {
            if (gleaner_gc_collect != nullptr) {
                gleaner_gc_collect();
            }
            std::this_thread::yield();
        }
    });
    std::thread other(throw_often);
    throw_often();
    other.join();
    is_over = true;
    collecting.join();
    if (n_faults != 0) {
        std::fprintf(stderr, "%d faults\n", n_faults.load());
    }
    return n_faults != 0;
}
