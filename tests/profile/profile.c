/* SPDX-License-Identifier: MIT */
/*
 * tests/profile/profile.c - GC_PROFILE: to which line of which function changes are attributed, and how the
 * report looks. Compiled with -g and -fexceptions; lines are noted with __LINE__.
 */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gleaner/gc.h>
#include <gleaner/refcount.h>
#include <gleaner/roots.h>
#include <gleaner/scope.h>

#include "config.h"

#if HAVE_ELFUTILS_LIBDWFL_H
static const bool has_lines = true;
#else
static const bool has_lines = false;
#endif

#define MIB (1 << 20)
#define NOINLINE __attribute__((noinline))

/* ---- Reading a report ------------------------------------------------------------------------ */

static char report[65536];

static void read_report(void)
{
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gc_profile_report(fileno(file)), 0);
    ck_assert_int_eq(fseek(file, 0, SEEK_SET), 0);
    report[fread(report, 1, sizeof report - 1, file)] = '\0';
    fclose(file);
}

/* The table of a function; NULL: there is none. */
static const char *table_of(const char *function)
{
    char title[200];
    snprintf(title, sizeof title, "   Function: %s\n", function);
    const char *found = strstr(report, title);
    return found ? strstr(found, "====\n") + 5 : NULL;
}

typedef struct row {
    double use, increment; /* bytes */
    long occurrences;      /* 0: none shown */
    char text[200];
    bool has_numbers;
} row;

static double read_bytes(const char **at)
{
    char unit[4] = "";
    int length = 0;
    double number = 0;
    ck_assert_msg(sscanf(*at, "%lf %3s%n", &number, unit, &length) == 2, "no bytes: %.60s", *at);
    *at += length;
    return number * (strcmp(unit, "MiB") == 0 ? MIB : strcmp(unit, "KiB") == 0 ? 1024 : 1);
}

/* The row of a line: six columns of line number, and so on (profile/report.c). */
static row row_of(const char *function, int line)
{
    row r = {.has_numbers = false};
    char wanted[16];
    snprintf(wanted, sizeof wanted, "%6d", line);
    const char *at = table_of(function);
    ck_assert_msg(at != NULL, "no table of %s in:\n%s", function, report);
    while (*at != '\n' && strncmp(at, wanted, 6) != 0) {
        at = strchr(at, '\n') + 1;
    }
    ck_assert_msg(*at != '\n', "no line %d of %s in:\n%s", line, function, report);
    size_t length = strcspn(at, "\n");
    if (length > 48) {
        snprintf(r.text, sizeof r.text, "%.*s", (int)(length - 48), at + 48);
    }
    if (length > 12 && strspn(at + 6, " ") < 14) {
        const char *numbers = at + 6;
        r.has_numbers = true;
        r.use = read_bytes(&numbers);
        r.increment = read_bytes(&numbers);
        r.occurrences = numbers - at < 45 ? strtol(numbers, NULL, 10) : 0;
    }
    return r;
}

static void check_row(const char *function, int line, double increment, long occurrences)
{
    row r = row_of(function, line);
    double error = r.increment - increment;
    ck_assert_msg(r.has_numbers && error < 0.06 * MIB && error > -0.06 * MIB &&
                      r.occurrences == occurrences,
                  "line %d of %s: increment %.0f instead of %.0f, %ld occurrences in:\n%s", line,
                  function, r.increment, increment, r.occurrences, report);
}

/* ---- One function ---------------------------------------------------------------------------- */

static void *volatile kept[200];

static NOINLINE void *make(size_t bytes)
{
    void *p = gc_malloc_atomic(bytes);
    gc_keep_alive(p);
    return p;
}

enum { KNOWN_FIRST = __LINE__ + 2 };

static NOINLINE void known(void)
{
    GC_PROFILE();
    kept[0] = gc_malloc_atomic(10 * MIB); /* KNOWN_FIRST + 3 */
    kept[1] = make(5 * MIB);
    gc_free(kept[1]);

    for (int i = 0; i < 100; i++) {
        kept[i] = make(i ? 100 * 1024 : 16);
    }
    kept[100] = gc_realloc(NULL, 4 * MIB); /* KNOWN_FIRST + 10 */
    kept[100] = gc_realloc(kept[100], 6 * MIB);
    kept[100] = NULL;
}

START_TEST(lines_of_a_known_function)
{
    gc_disable();
    known();
    read_report();
    check_row("known", KNOWN_FIRST + 3, 10 * MIB, 1);
    check_row("known", KNOWN_FIRST + 4, 5 * MIB, 1);
    check_row("known", KNOWN_FIRST + 5, -5 * MIB, 1);
    check_row("known", KNOWN_FIRST + 8, 99 * 100 * 1024 + 16, 100);
    check_row("known", KNOWN_FIRST + 10, 4 * MIB, 1);
    row first = row_of("known", KNOWN_FIRST), r = row_of("known", KNOWN_FIRST + 11);
    ck_assert_int_eq(first.occurrences, 1);
    ck_assert(first.increment == first.use); /* what was there, as memory_profiler has it */
    ck_assert_str_eq(first.text, "static NOINLINE void known(void)");
    ck_assert(r.increment > 1.9 * MIB && r.increment < 2.1 * MIB && r.occurrences >= 1);
    r = row_of("known", KNOWN_FIRST + 4);
    ck_assert(r.use > first.use + 14.8 * MIB && r.use < first.use + 15.2 * MIB);
    ck_assert_str_eq(r.text, "    kept[1] = make(5 * MIB);");
    ck_assert(!row_of("known", KNOWN_FIRST + 6).has_numbers); /* an empty line */
    r = row_of("known", KNOWN_FIRST + 12); /* nothing is allocated there: carried over */
    ck_assert(!r.has_numbers || (r.increment == 0 && r.occurrences == 0 &&
                                 r.use == row_of("known", KNOWN_FIRST + 11).use));
    ck_assert_ptr_null(table_of("make"));
}
END_TEST

START_TEST(the_layout_is_that_of_memory_profiler)
{
    known();
    read_report();
    ck_assert_ptr_nonnull(strstr(report, "tests/profile/profile.c   Function: known\n\n"
                                         "Line #    Mem usage    Increment  Occurrences   Line "
                                         "Contents\n"
                                         "=============================================================\n"));
    ck_assert_int_eq(strncmp(report, "Filename: ", 10), 0);
    ck_assert_ptr_nonnull(strstr(report, "     10.0 MiB            1       kept[0] = gc_malloc"));
}
END_TEST

START_TEST(small_changes_are_shown)
{
    gc_disable();
    for (int i = 0; i < 2; i++) {
        GC_PROFILE(); /* of the test itself; a block of its own each turn */
        enum { HERE = __LINE__ + 1 };
        kept[0] = gc_malloc(48);
        kept[1] = gc_malloc_atomic(2000);
        gc_profile_leave(&gc_profile_guard_here);
        read_report();
        row r = row_of(__func__, HERE);
        ck_assert(r.increment == 48 * (i + 1));
        r = row_of(__func__, HERE + 1);
        ck_assert(r.increment >= 2000 * (i + 1) && r.increment < 2300 * (i + 1));
    }
}
END_TEST

enum { COLLECTING_FIRST = __LINE__ + 2 };

static NOINLINE void collecting(void)
{
    GC_PROFILE();
    for (int i = 0; i < 50; i++) {
        (void)make(200 * 1024);
    }
    gc_collect(); /* COLLECTING_FIRST + 6 */
}

START_TEST(collections_belong_to_their_line)
{
    gc_config config = {.size = sizeof config, .trigger_bytes = 256 * MIB};
    ck_assert_int_eq(gc_init(&config), 0);
    gc_disable();
    collecting();
    read_report();
    check_row("collecting", COLLECTING_FIRST + 4, 50 * 200 * 1024, 50);
    row r = row_of("collecting", COLLECTING_FIRST + 6);
    ck_assert_int_eq(r.occurrences, 1);
    ck_assert(r.increment < -8.0 * MIB && r.increment > -10.5 * MIB);
}
END_TEST

enum { COUNTED_FIRST = __LINE__ + 2 };

static NOINLINE void counted(void)
{
    GC_PROFILE();
    for (int i = 0; i < 50; i++) {
        kept[i] = gc_rc_malloc(i % 2 ? 64 : 200 * 1024, NULL);
    }
    for (int i = 0; i < 50; i++) {
        gc_release(kept[i]); /* COUNTED_FIRST + 7 */
    }
}

START_TEST(counted_objects)
{
    gc_disable();
    counted();
    read_report();
    check_row("counted", COUNTED_FIRST + 4, 25 * 200 * 1024 + 25 * 64, 50);
    check_row("counted", COUNTED_FIRST + 7, -25 * 200 * 1024 - 25 * 64, 50);
}
END_TEST

/* ---- Several functions, several calls --------------------------------------------------------- */

enum { INNER_FIRST = __LINE__ + 2 };

static NOINLINE void inner(void)
{
    GC_PROFILE();
    kept[0] = make(2 * MIB);
}

enum { OUTER_FIRST = __LINE__ + 2 };

static NOINLINE void outer(void)
{
    GC_PROFILE();
    inner();
    kept[1] = make(MIB);
    inner();
}

START_TEST(nested_functions_attribute_on_their_own)
{
    gc_disable();
    outer();
    inner();
    read_report();
    check_row("inner", INNER_FIRST + 3, 6 * MIB, 3);
    ck_assert_int_eq(row_of("inner", INNER_FIRST).occurrences, 3);
    check_row("outer", OUTER_FIRST + 3, 2 * MIB, 1);
    check_row("outer", OUTER_FIRST + 4, MIB, 1);
    check_row("outer", OUTER_FIRST + 5, 2 * MIB, 1);
    ck_assert_int_eq(row_of("outer", OUTER_FIRST).occurrences, 1);
}
END_TEST

enum { RECURSIVE_FIRST = __LINE__ + 2 };

static NOINLINE int recursive(int depth)
{
    GC_PROFILE();
    kept[depth] = make(MIB);
    int n = depth > 0 ? recursive(depth - 1) : 0; /* RECURSIVE_FIRST + 4 */
    return n + 1;
}

START_TEST(recursion)
{
    gc_disable();
    ck_assert_int_eq(recursive(4), 5);
    read_report();
    ck_assert_int_eq(row_of("recursive", RECURSIVE_FIRST).occurrences, 5);
    check_row("recursive", RECURSIVE_FIRST + 3, 5 * MIB, 5);
    check_row("recursive", RECURSIVE_FIRST + 4, (4 + 3 + 2 + 1) * MIB, 4);
}
END_TEST

/* A thousand frames deep, with other functions in between. */
static NOINLINE int deep(int depth)
{
    char room[64];
    memset(room, depth, sizeof room);
    gc_keep_alive(room);
    return depth == 0 ? (kept[0] = make(MIB), 1) : deep(depth - 1) + room[3] % 2;
}

enum { CALLS_DEEP_FIRST = __LINE__ + 2 };

static NOINLINE void calls_deep(void)
{
    GC_PROFILE();
    deep(1000);
}

START_TEST(far_down)
{
    gc_disable();
    calls_deep();
    read_report();
    check_row("calls_deep", CALLS_DEEP_FIRST + 3, MIB, 1);
}
END_TEST

static inline __attribute__((always_inline)) void inlined(int i)
{
    kept[i] = gc_malloc_atomic(MIB);
}

enum { INLINES_FIRST = __LINE__ + 2 };

static inline __attribute__((always_inline)) void inlines(void)
{
    GC_PROFILE();
    inlined(0);
    inlined(1); /* INLINES_FIRST + 4 */
}

static NOINLINE void into_which_it_is_inlined(void)
{
    inlines();
    gc_keep_alive((void *)kept[0]);
}

START_TEST(inlined_code_counts_where_it_was_called)
{
    gc_disable();
    into_which_it_is_inlined();
    read_report();
    check_row("inlines", INLINES_FIRST + 3, MIB, 1);
    check_row("inlines", INLINES_FIRST + 4, MIB, 1);
    ck_assert_ptr_null(table_of("into_which_it_is_inlined"));
}
END_TEST

/* ---- Threads ---------------------------------------------------------------------------------- */

enum { N_THREADS = 4, N_EACH = 200 };

enum { WORK_FIRST = __LINE__ + 2 };

static NOINLINE void *work(void *arg)
{
    GC_PROFILE();
    for (int i = 0; i < N_EACH; i++) {
        gc_free(make(MIB / 4));
    }
    kept[(size_t)(uintptr_t)arg] = make(MIB); /* WORK_FIRST + 6 */
    return NULL;
}

static void *unprofiled(void *stop)
{
    while (!__atomic_load_n((bool *)stop, __ATOMIC_ACQUIRE)) {
        gc_free(make(MIB / 2));
    }
    return NULL;
}

START_TEST(threads_are_summed_and_others_left_out)
{
    pthread_t threads[N_THREADS], other;
    bool stop = false;
    gc_disable();
    ck_assert_int_eq(pthread_create(&other, NULL, unprofiled, &stop), 0);
    for (uintptr_t i = 0; i < N_THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    read_report();
    check_row("work", WORK_FIRST + 4, 0, 2L * N_THREADS * N_EACH);
    check_row("work", WORK_FIRST + 6, N_THREADS * MIB, N_THREADS);
}
END_TEST

static NOINLINE void *leave_thread(void *arg)
{
    GC_PROFILE();
    kept[0] = make(MIB);
    if (arg) {
        pthread_exit(NULL);
    }
    return NULL;
}

START_TEST(a_thread_may_end_inside)
{
    pthread_t thread;
    gc_disable();
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(pthread_create(&thread, NULL, leave_thread, (void *)kept), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
    }
    read_report();
    ck_assert_ptr_nonnull(table_of("leave_thread"));
    kept[1] = make(MIB); /* and this thread is not observed */
    char before[sizeof report];
    memcpy(before, report, sizeof before);
    read_report();
    ck_assert_str_eq(report, before);
}
END_TEST

/* ---- Ways out --------------------------------------------------------------------------------- */

static jmp_buf back;

enum { JUMPS_FIRST = __LINE__ + 2 };

static NOINLINE void jumps(void)
{
    GC_PROFILE();
    kept[0] = make(MIB);
    longjmp(back, 1);
}

static NOINLINE void after_the_jump(void)
{
    kept[1] = make(32 * MIB);
}

enum { CATCHES_FIRST = __LINE__ + 2 };

static NOINLINE void catches(void)
{
    GC_PROFILE();
    if (setjmp(back) == 0) {
        jumps(); /* CATCHES_FIRST + 4 */
    }
    kept[2] = make(2 * MIB);
}

START_TEST(longjmp_out_of_a_function)
{
    static volatile int i;
    gc_disable();
    for (i = 0; i < 100; i++) {
        if (setjmp(back) == 0) {
            jumps();
        }
    }
    after_the_jump(); /* is nobody's */
    catches();
    after_the_jump();
    read_report();
    check_row("jumps", JUMPS_FIRST + 3, 101 * MIB, 101);
    check_row("catches", CATCHES_FIRST + 4, MIB, 1);
    check_row("catches", CATCHES_FIRST + 6, 2 * MIB, 1);
}
END_TEST

enum { FORKS_FIRST = __LINE__ + 2, BEFORE_LINE = FORKS_FIRST + 3, AFTER_LINE = FORKS_FIRST + 5 };

static NOINLINE void forks(void)
{
    GC_PROFILE();
    kept[0] = make(3 * MIB);
    pid_t child = fork();
    kept[1] = make(2 * MIB);
    if (child == 0) {
        read_report();
        bool is_right = !row_of("forks", BEFORE_LINE).occurrences &&
                        row_of("forks", AFTER_LINE).occurrences == 1;
        _exit(is_right ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    read_report();
    check_row("forks", BEFORE_LINE, 3 * MIB, 1);
    check_row("forks", AFTER_LINE, 2 * MIB, 1);
}

static void *do_nothing_much(void *arg)
{
    pthread_mutex_lock(arg);
    return NULL;
}

START_TEST(the_child_of_a_fork_starts_empty)
{
    pthread_t thread;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    gc_disable();
    if (_i == 1) { /* one thread more: a fork takes locks then */
        pthread_mutex_lock(&mutex);
        ck_assert_int_eq(pthread_create(&thread, NULL, do_nothing_much, &mutex), 0);
    }
    forks();
    if (_i == 1) {
        pthread_mutex_unlock(&mutex);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
    }
}
END_TEST

START_TEST(code_that_is_unloaded)
{
    gc_disable();
    for (int i = 0; i < 3; i++) {
        void *module = dlopen("tests/profile/.libs/module.so", RTLD_NOW);
        ck_assert_msg(module != NULL, "%s", dlerror());
        void *(*fn)(size_t) = (void *(*)(size_t))dlsym(module, "profiled_in_module");
        kept[i] = fn(4 * MIB);
        ck_assert_int_eq(dlclose(module), 0);
    }
    read_report();
    check_row("profiled_in_module", 11, 12 * MIB, 3);
    check_row("profiled_in_module", 12, 0, 6);
    ck_assert_ptr_null(strstr(table_of("profiled_in_module"), "Function: "));
}
END_TEST

/* ---- Reports ---------------------------------------------------------------------------------- */

START_TEST(reset_forgets)
{
    gc_disable();
    read_report();
    ck_assert_str_eq(report, "");
    known();
    gc_profile_reset();
    read_report();
    ck_assert_str_eq(report, "");
    known();
    read_report();
    check_row("known", KNOWN_FIRST + 3, 10 * MIB, 1);
    ck_assert_int_eq(row_of("known", KNOWN_FIRST).occurrences, 1);
}
END_TEST

enum { REPORTS_FIRST = __LINE__ + 2 };

static NOINLINE void reports(void)
{
    GC_PROFILE();
    int fd = open("/dev/null", O_WRONLY);
    gc_profile_report(fd); /* REPORTS_FIRST + 4 */
    kept[0] = make(MIB);
    close(fd);
}

/* Also where libdw allocates on this very heap. */
START_TEST(a_report_is_not_in_the_report)
{
    gc_disable();
    reports();
    read_report();
    check_row("reports", REPORTS_FIRST + 5, MIB, 1);
    ck_assert_int_eq(row_of("reports", REPORTS_FIRST + 4).occurrences, 0);
}
END_TEST

START_TEST(errors_of_the_report)
{
    errno = 0;
    ck_assert_int_eq(gc_profile_report(-1), 0); /* there is nothing to write */
    known();
    ck_assert_int_eq(gc_profile_report(-1), -1);
    ck_assert_int_eq(errno, EIO);
    int full = open("/dev/full", O_WRONLY);
    errno = 0;
    ck_assert_int_eq(gc_profile_report(full), -1);
    ck_assert_int_eq(errno, EIO);
    close(full);
}
END_TEST

/* Runs a program; what it writes to stderr is put into `report`. */
static int run(const char *command)
{
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    report[fread(report, 1, sizeof report - 1, pipe)] = '\0';
    return pclose(pipe);
}

START_TEST(without_debug_information)
{
    ck_assert_int_eq(run("env -u GLEANER_PROFILE_FILE tests/profile/bare 2>&1"), 0);
    ck_assert_ptr_nonnull(strstr(report, "bare.c   Function: profiled_bare\n"));
    ck_assert_ptr_nonnull(strstr(report, "(no debug information in /"));
    ck_assert_ptr_nonnull(strstr(report, "     ?      3.0 MiB      3.0 MiB            3   at 0x"));
}
END_TEST

START_TEST(the_file_of_the_report)
{
    char command[300], path[] = "/tmp/gl-profile-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    snprintf(command, sizeof command, "GLEANER_PROFILE_FILE=%s tests/profile/bare 2>&1", path);
    ck_assert_int_eq(run(command), 0);
    ck_assert_str_eq(report, "");
    report[read(fd, report, sizeof report - 1)] = '\0';
    ck_assert_ptr_nonnull(strstr(report, "Function: profiled_bare\n"));
    close(fd);
    unlink(path);
    static const char *const bad[] = {"/nonexistent/file", "/dev/full"};
    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof command, "GLEANER_PROFILE_FILE=%s tests/profile/bare 2>&1", bad[i]);
        ck_assert_int_eq(run(command), 0); /* the program's own status */
        ck_assert_ptr_nonnull(strstr(report, "gleaner: warning: cannot write to '"));
        ck_assert_ptr_nonnull(strstr(report, bad[i]));
    }
}
END_TEST

/* As debug information comes: other formats, another compiler, other places. */
START_TEST(kinds_of_debug_information)
{
    static const char *const kinds[] = {"gcc -O0 -g", "gcc -O2 -g", "gcc -O3 -g -gsplit-dwarf",
                                        "gcc -O1 -gdwarf-4", "clang -O0 -g", "clang -O2 -g",
                                        "clang -O2 -gdwarf-4 -ffunction-sections"};
    char command[1200];
    const char *source = getenv("top_srcdir");
    snprintf(command, sizeof command,
             "command -v %.5s >/dev/null || exit 77; d=$(mktemp -d); cd $d && "
             "%s -I%s/include %s/tests/profile/bare.c -o bare -L\"$top_builddir/.libs\" "
             "-lgleaner -Wl,-rpath,\"$top_builddir/.libs\" && env -u GLEANER_PROFILE_FILE ./bare 2>&1; s=$?; rm -rf $d; exit $s",
             kinds[_i], kinds[_i], source, source);
    int status = run(command);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        return;
    }
    ck_assert_msg(status == 0, "%s: %s", kinds[_i], report);
    check_row("profiled_bare", 13, 3 * MIB, 3);
    ck_assert_str_eq(row_of("profiled_bare", 13).text, "    kept[i] = gc_malloc_atomic(1 << 20);");
    ck_assert_int_eq(row_of("profiled_bare", 10).occurrences, 3);
    check_row("main", 20, 3 * MIB, 3);
    /* It ends where the next function begins. */
    const char *table = table_of("profiled_bare"), *next = strstr(table, "int main(void)");
    ck_assert_msg(!next || next > strstr(table, "\n\n"), "%s", report);
}
END_TEST

int main(void)
{
    setenv("GLEANER_PROFILE_FILE", "/dev/null", 1); /* at the exit of each test */
    Suite *suite = suite_create("profile");
    TCase *t = tcase_create("lines");
    tcase_set_timeout(t, 60);
    /* Where memory is refused on purpose, other things are allocated than what is expected. */
    const char *options = getenv("GLEANER_OPTIONS");
    bool has_memory = !(options && strstr(options, "fail_"));
    if (has_lines && has_memory) {
        tcase_add_test(t, lines_of_a_known_function);
        tcase_add_test(t, the_layout_is_that_of_memory_profiler);
        tcase_add_test(t, small_changes_are_shown);
        tcase_add_test(t, collections_belong_to_their_line);
        tcase_add_test(t, counted_objects);
        tcase_add_test(t, nested_functions_attribute_on_their_own);
        tcase_add_test(t, recursion);
        tcase_add_test(t, far_down);
        tcase_add_test(t, inlined_code_counts_where_it_was_called);
        tcase_add_test(t, threads_are_summed_and_others_left_out);
        tcase_add_test(t, longjmp_out_of_a_function);
        tcase_add_loop_test(t, the_child_of_a_fork_starts_empty, 0, 2);
        tcase_add_test(t, code_that_is_unloaded);
        tcase_add_test(t, reset_forgets);
        tcase_add_test(t, a_report_is_not_in_the_report);
        if (getenv("top_builddir") && !*getenv("GL_SANITIZE")) {
            tcase_add_loop_test(t, kinds_of_debug_information, 0, 7);
        }
    }
    suite_add_tcase(suite, t);
    TCase *u = tcase_create("reports");
    tcase_set_timeout(u, 60);
    tcase_add_test(u, a_thread_may_end_inside);
    tcase_add_test(u, errors_of_the_report);
    if (has_memory) {
        tcase_add_test(u, without_debug_information);
        tcase_add_test(u, the_file_of_the_report);
    }
    suite_add_tcase(suite, u);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
