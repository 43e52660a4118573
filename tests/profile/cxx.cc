/* SPDX-License-Identifier: MIT */
/* tests/profile/cxx.cc - gleaner/scope.h in C++: exceptions, templates, lambdas; nothing is shadowed. */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <unistd.h>

#include <gleaner/gc.h>
#include <gleaner/scope.h>

static int n_faults;

static void expect(bool is_right, const char *what)
{
    if (!is_right) {
        std::printf("FAILED: %s\n", what);
        n_faults++;
    }
}

static int n_closed;

static void close_int(int *p)
{
    n_closed += *p;
}

static void throw_inside(int *p)
{
    GC_PROFILE();
    GC_WITH (int *, outer, p, close_int)
        GC_WITH (std::FILE *, null, std::fopen("/dev/null", "w"), std::fclose)
            GC_SCOPE ("thrown out of", 1 << 20) {
                std::fputs("x", null);
                throw std::runtime_error("out");
            }
}

static void *exit_inside(void *p)
{
    GC_WITH (int *, one, static_cast<int *>(p), close_int) {
        GC_SCOPE ("exited inside", 0) pthread_exit(one);
    }
    return nullptr;
}

template <class T> static T *profiled_template(std::size_t n)
{
    GC_PROFILE();
    return static_cast<T *>(gc_malloc_atomic(n * sizeof(T)));
}

static std::string read_report()
{
    std::string text;
    GC_WITH (std::FILE *, file, std::tmpfile(), std::fclose) {
        expect(gc_profile_report(fileno(file)) == 0, "a report is written");
        std::rewind(file);
        for (int c; (c = std::fgetc(file)) != EOF;) {
            text += static_cast<char>(c);
        }
    }
    return text;
}

static bool contains(const std::string &text, const char *part)
{
    return text.find(part) != std::string::npos;
}

static void test_ways_out()
{
    int one = 1;
    pthread_t thread;
    for (int i = 0; i < 10; i++) {
        try {
            throw_inside(&one);
            expect(false, "it throws");
        } catch (const std::runtime_error &) {
        }
    }
    expect(n_closed == 10, "exceptions close");
    gc_scope_stats s = {};
    s.size = sizeof s;
    expect(gc_get_scope("thrown out of", &s) == 0 && s.entered == 10 && s.open == 0,
           "exceptions end scopes");
    expect(pthread_create(&thread, nullptr, exit_inside, &one) == 0, "a thread starts");
    pthread_join(thread, nullptr);
    expect(n_closed == 11, "pthread_exit closes");
    expect(gc_get_scope("exited inside", &s) == 0 && s.open == 0, "pthread_exit ends scopes");
    GC_WITH (int, fd, open("/nonexistent", O_RDONLY), close) {
        close(fd);
        expect(false, "what did not open is skipped");
    }
}

static void test_profile()
{
    gc_disable();
    const char *options = std::getenv("GLEANER_OPTIONS");
    if (options && std::strstr(options, "fail_")) {
        return; /* memory is refused on purpose */
    }
    static double *volatile numbers = profiled_template<double>(1 << 20);
    static char *volatile text = profiled_template<char>(2 << 20);
    auto lambda = [] {
        GC_PROFILE();
        text = static_cast<char *>(gc_malloc_atomic(4 << 20));
    };
    lambda();
    std::string report = read_report();
    expect(numbers && text, "memory");
    expect(contains(report, "Function: profiled_template\n"), "a template is profiled");
    expect(contains(report, "Function: operator()\n"), "a lambda is profiled");
    expect(contains(report, "Function: throw_inside\n"), "what threw is profiled");
    expect(contains(report, " 10.0 MiB            2       return static_cast<T *>"),
           "instances of a template are one function");
    expect(contains(report, "  4.0 MiB            1           text = static_cast<char *>"),
           "the line in the lambda");
    if (n_faults) {
        std::fputs(report.c_str(), stdout);
    }
}

int main()
{
    test_ways_out();
    test_profile();
    gc_profile_reset();
    return n_faults ? EXIT_FAILURE : EXIT_SUCCESS;
}
