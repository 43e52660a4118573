// SPDX-License-Identifier: MIT
// A library for tests/malloc/late_cxx: brings a C++ library into a program that has none.
#include <cstddef>
#include <cstdint>
#include <new>

namespace {

int n_handled;

void handler()
{
    n_handled++;
    throw std::bad_alloc();
}

volatile std::size_t too_large = SIZE_MAX / 2 + 10;

} // namespace

// 0, or the number of the check that failed.
extern "C" int check_new(void)
{
    try {
        ::operator delete(::operator new(too_large));
        return 1;
    } catch (const std::bad_alloc &) {
    }
    if (::operator new(too_large, std::nothrow) != nullptr) {
        return 2;
    }
    std::set_new_handler(handler);
    if (::operator new(too_large, std::nothrow) != nullptr || n_handled != 1) {
        return 3;
    }
    std::set_new_handler(nullptr);
    int *numbers = new int[100];
    delete[] numbers;
    return 0;
}
