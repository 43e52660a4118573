// SPDX-License-Identifier: MIT
// All forms of operator new and delete; and what they do without memory: handler, exception, NULL.
#include "expect.h"

#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t too_large = SIZE_MAX / 2 + 10;

bool is_aligned(const void *p, std::size_t alignment)
{
    return p != nullptr && reinterpret_cast<std::uintptr_t>(p) % alignment == 0;
}

struct alignas(128) Wide {
    char bytes[300];
};

void check_forms()
{
    const auto wide = std::align_val_t(256);
    for (std::size_t n : {0, 1, 24, 1000, 30000, 300000}) {
        void *p = opaque(::operator new(n));
        EXPECT(is_aligned(p, 16));
        fill(p, n, 1);
        ::operator delete(p);
        p = opaque(::operator new[](n));
        EXPECT(is_aligned(p, 16));
        ::operator delete[](p, n);
        p = opaque(::operator new(n, std::nothrow));
        EXPECT(is_aligned(p, 16));
        ::operator delete(p, std::nothrow);
        p = opaque(::operator new[](n, std::nothrow));
        EXPECT(is_aligned(p, 16));
        ::operator delete[](p, std::nothrow);
        p = opaque(::operator new(n, wide));
        EXPECT(is_aligned(p, 256));
        fill(p, n, 2);
        ::operator delete(p, wide);
        p = opaque(::operator new[](n, wide));
        EXPECT(is_aligned(p, 256));
        ::operator delete[](p, n, wide);
        p = opaque(::operator new(n, wide, std::nothrow));
        EXPECT(is_aligned(p, 256));
        ::operator delete(p, wide, std::nothrow);
        p = opaque(::operator new[](n, wide, std::nothrow));
        EXPECT(is_aligned(p, 256));
        ::operator delete[](p, wide, std::nothrow);
        p = opaque(::operator new(n));
        ::operator delete(p, n);
        p = opaque(::operator new[](n));
        ::operator delete[](p);
        p = opaque(::operator new(n, wide));
        ::operator delete(p, n, wide);
        p = opaque(::operator new[](n, wide));
        ::operator delete[](p, wide);
    }
    ::operator delete(nullptr);
    ::operator delete[](nullptr);
    ::operator delete(nullptr, wide);
    if (is_gleaner()) {
        void *p = ::operator new(40);
        EXPECT(gleaner_gc_sizeof(p) >= 40);
        ::operator delete(p);
    }
}

void check_objects()
{
    auto one = std::make_unique<Wide>();
    EXPECT(is_aligned(one.get(), alignof(Wide)));
    std::vector<Wide> many(10);
    EXPECT(is_aligned(many.data(), alignof(Wide)));
    std::map<std::string, std::shared_ptr<std::string>> map;
    for (int i = 0; i < 3000; i++) {
        map[std::to_string(i) + " is a string that does not fit inside"] =
            std::make_shared<std::string>(1 + static_cast<std::size_t>(i) % 500, 'x');
    }
    std::size_t n = 0;
    for (const auto &entry : map) {
        n += entry.second->size();
    }
    EXPECT(map.size() == 3000 && n == 6 * 500 * 501 / 2);
}

// Whether the call throws std::bad_alloc and nothing else.
template <typename Call> bool throws(Call call)
{
    try {
        opaque(call());
    } catch (const std::bad_alloc &) {
        return true;
    } catch (...) {
    }
    return false;
}

void check_bad_alloc()
{
    const auto wide = std::align_val_t(64);
    const std::size_t n = opaque_size(too_large);
    EXPECT(throws([=] { return ::operator new(n); }));
    EXPECT(throws([=] { return ::operator new[](n); }));
    EXPECT(throws([=] { return ::operator new(n, wide); }));
    EXPECT(throws([=] { return ::operator new[](n, wide); }));
    EXPECT(::operator new(n, std::nothrow) == nullptr);
    EXPECT(::operator new[](n, std::nothrow) == nullptr);
    EXPECT(::operator new(n, wide, std::nothrow) == nullptr);
    EXPECT(::operator new[](n, wide, std::nothrow) == nullptr);
    // The exception passes the destructors of the frames between.
    bool is_unwound = false;
    struct Guard {
        bool &flag;
        ~Guard() { flag = true; }
    };
    EXPECT(throws([&] {
        Guard guard{is_unwound};
        return ::operator new(n);
    }));
    EXPECT(is_unwound);
}

int n_handled;

void handler_that_gives_up()
{
    if (++n_handled == 3) {
        std::set_new_handler(nullptr);
    }
}

void handler_that_throws()
{
    n_handled++;
    throw std::bad_alloc();
}

struct Other {};

void handler_that_throws_another()
{
    throw Other();
}

// How often the handler is called, and that it is asked for anew each time.
template <typename Call> bool is_handled(Call call, bool is_nothrow)
{
    n_handled = 0;
    std::set_new_handler(handler_that_gives_up);
    bool is_right = is_nothrow ? call() == nullptr : throws(call);
    is_right = is_right && n_handled == 3 && std::get_new_handler() == nullptr;
    n_handled = 0;
    std::set_new_handler(handler_that_throws);
    is_right = is_right && (is_nothrow ? call() == nullptr : throws(call)) && n_handled == 1;
    std::set_new_handler(nullptr);
    return is_right;
}

void check_handlers()
{
    const auto wide = std::align_val_t(64);
    const std::size_t n = opaque_size(too_large);
    EXPECT(is_handled([=] { return ::operator new(n); }, false));
    EXPECT(is_handled([=] { return ::operator new[](n); }, false));
    EXPECT(is_handled([=] { return ::operator new(n, wide); }, false));
    EXPECT(is_handled([=] { return ::operator new[](n, wide); }, false));
    EXPECT(is_handled([=] { return ::operator new(n, std::nothrow); }, true));
    EXPECT(is_handled([=] { return ::operator new[](n, std::nothrow); }, true));
    EXPECT(is_handled([=] { return ::operator new(n, wide, std::nothrow); }, true));
    EXPECT(is_handled([=] { return ::operator new[](n, wide, std::nothrow); }, true));
    std::set_new_handler(handler_that_throws_another);
    bool is_other = false;
    try {
        opaque(::operator new(n));
    } catch (const Other &) {
        is_other = true;
    }
    EXPECT(is_other);
    std::set_new_handler(nullptr);
}

// Memory crosses threads.
void check_threads()
{
    std::vector<std::vector<std::string> *> made(4);
    std::vector<std::thread> threads;
    for (auto &slot : made) {
        threads.emplace_back([&slot] {
            slot = new std::vector<std::string>;
            for (int i = 0; i < 2000; i++) {
                slot->push_back(std::string(static_cast<std::size_t>(i % 100 + 20), 'y'));
            }
        });
    }
    for (auto &thread : threads) {
        thread.join();
    }
    for (auto *slot : made) {
        EXPECT(slot->size() == 2000 && slot->back() == std::string(1999 % 100 + 20, 'y'));
        delete slot;
    }
}

} // namespace

int main()
{
    check_forms();
    check_objects();
    check_bad_alloc();
    check_handlers();
    check_threads();
    return expect_status();
}
