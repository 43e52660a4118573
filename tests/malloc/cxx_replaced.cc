// SPDX-License-Identifier: MIT
// A program that replaces only the plain operator new and delete: the standard says that the other
// forms come down to these, also for code in the C++ library.
#include "expect.h"

#include <cstdint>
#include <new>

namespace {

// Storage that is nobody else's: who frees it with another allocator is found out.
alignas(64) char pool[1 << 20];
std::size_t used;
int n_new, n_delete;

bool is_from_pool(const void *p)
{
    return p >= pool && p < pool + sizeof pool;
}

} // namespace

void *operator new(std::size_t n)
{
    n_new++;
    n = (n + 15) / 16 * 16;
    if (n > sizeof pool - used) {
        throw std::bad_alloc();
    }
    used += n;
    return pool + used - n;
}

// operator delete(void *), by its name in the object file: the compiler would ask for the sized form
// beside it, and the point is that there is none.
extern "C" void replaced_delete(void *p) __asm__("_ZdlPv");

extern "C" void replaced_delete(void *p)
{
    n_delete += p != nullptr;
    EXPECT(p == nullptr || is_from_pool(p));
}

int main()
{
    void *all[] = {
        opaque(::operator new(10)),
        opaque(::operator new[](10)),
        opaque(::operator new(10, std::nothrow)),
        opaque(::operator new[](10, std::nothrow)),
    };
    EXPECT(n_new == 4);
    for (void *p : all) {
        EXPECT(is_from_pool(p));
    }
    EXPECT(::operator new(opaque_size(sizeof pool + 1), std::nothrow) == nullptr);
    EXPECT(::operator new[](opaque_size(sizeof pool + 1), std::nothrow) == nullptr);
    ::operator delete(all[0], 10);
    ::operator delete[](all[1], 10);
    ::operator delete(all[2], std::nothrow);
    ::operator delete[](all[3]);
    ::operator delete[](opaque(pool), std::nothrow);
    EXPECT(n_delete == 5);
    // Not replaced: the aligned forms, which have their own memory.
    void *wide = opaque(::operator new(10, std::align_val_t(256)));
    EXPECT(!is_from_pool(wide) && reinterpret_cast<std::uintptr_t>(wide) % 256 == 0);
    ::operator delete(wide, 10, std::align_val_t(256));
    EXPECT(n_delete == 5);
    return expect_status();
}
