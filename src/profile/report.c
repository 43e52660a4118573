/* SPDX-License-Identifier: MIT */
/*
 * profile/report.c - the table of each profiled function, in the layout of memory_profiler.
 *
 * Written line by line with base/fmt.h; tables are of meta memory. Only os/lines.h uses the C library's
 * malloc, and no lock is held there. Numbers are copied first, so that a report is made while the program
 * goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/fmt.h"
#include "base/syscall.h"
#include "heap/meta.h"
#include "os/lines.h"
#include "profile/profile.h"
#include "profile/records.h"

enum {
    ROWS_MAX = 100000, /* lines of one function */
    WIDTH_LINE = 6,
    WIDTH_BYTES = 12,
    WIDTH_COUNT = 10,
    WIDTH_ALL = 61 /* of the header */
};

/* What is shown of one line of the source. */
typedef struct row {
    int64_t change_bytes, most_bytes;
    uint64_t n;
    bool has_code, has_changed;
} row;

typedef struct report {
    int fd;
    gl_lines lines; /* of `image` */
    const char *image;
    int error;
} report;

/* One function. */
typedef struct table {
    gl_record record; /* a copy of the numbers */
    gl_point *points;
    unsigned *point_lines; /* for each point; 0: not known */
    size_t n_points, points_capacity, lines_capacity;
    gl_line_place place; /* of its beginning; `line` 0: there are no lines */
    unsigned first, last;
    row *rows;
    size_t n_rows;
} table;

/* ---- Text ----------------------------------------------------------------------------------- */

static void add_right(gl_fmt *line, const gl_fmt *cell, size_t width)
{
    for (size_t n = cell->length; n < width; n++) {
        gl_fmt_str(line, " ");
    }
    gl_fmt_str(line, cell->text);
}

static void add_text(gl_fmt *line, const char *text, size_t width)
{
    gl_fmt cell;
    gl_fmt_init(&cell);
    gl_fmt_str(&cell, text);
    add_right(line, &cell, width);
}

static void add_number(gl_fmt *line, const char *before, uint64_t number, size_t width)
{
    gl_fmt cell;
    gl_fmt_init(&cell);
    gl_fmt_str(&cell, before);
    gl_fmt_dec(&cell, number);
    add_right(line, &cell, width);
}

/* MiB with one decimal, as memory_profiler has it; what would be shown as nothing is shown in KiB or bytes. */
static void add_bytes(gl_fmt *line, int64_t bytes, size_t width)
{
    static const uint64_t MIB = 1 << 20;
    gl_fmt cell;
    gl_fmt_init(&cell);
    uint64_t amount = bytes < 0 ? (uint64_t)-bytes : (uint64_t)bytes;
    if (bytes < 0) {
        gl_fmt_str(&cell, "-");
    }
    if (amount > 0 && amount < MIB / 20) {
        gl_fmt_bytes(&cell, amount);
    } else {
        gl_fmt_fixed(&cell, amount / MIB * 10 + (amount % MIB * 10 + MIB / 2) / MIB, 1);
        gl_fmt_str(&cell, " MiB");
    }
    add_right(line, &cell, width);
}

static void write_line(report *r, gl_fmt *line)
{
    gl_fmt_str(line, "\n");
    if (!r->error && !gl_fmt_write(line, r->fd)) {
        r->error = EIO;
    }
}

static void write_head(report *r, const gl_record *record)
{
    gl_fmt line;
    gl_fmt_init(&line);
    gl_fmt_str(&line, "Filename: ");
    gl_fmt_str(&line, record->file);
    gl_fmt_str(&line, "   Function: ");
    gl_fmt_str(&line, record->function);
    gl_fmt_str(&line, "\n\nLine #    Mem usage    Increment  Occurrences   Line Contents\n");
    for (int i = 0; i < WIDTH_ALL; i++) {
        gl_fmt_str(&line, "=");
    }
    write_line(r, &line);
}

/* `most` NULL: the line has no numbers. */
static void write_row(report *r, const gl_fmt *label, const int64_t *most, int64_t change, uint64_t n,
                      const char *text)
{
    gl_fmt line;
    gl_fmt_init(&line);
    add_right(&line, label, WIDTH_LINE);
    gl_fmt_str(&line, " ");
    if (most) {
        add_bytes(&line, *most, WIDTH_BYTES);
        gl_fmt_str(&line, " ");
        add_bytes(&line, change, WIDTH_BYTES);
        gl_fmt_str(&line, "  ");
        if (n > 0) {
            add_number(&line, "", n, WIDTH_COUNT + 1);
        } else {
            add_text(&line, "", WIDTH_COUNT + 1);
        }
    } else {
        add_text(&line, "", 2 * WIDTH_BYTES + WIDTH_COUNT + 4);
    }
    gl_fmt_str(&line, "   ");
    gl_fmt_str(&line, text);
    while (line.length > 0 && line.text[line.length - 1] == ' ') {
        line.text[--line.length] = '\0';
    }
    write_line(r, &line);
}

/* ---- The source ----------------------------------------------------------------------------- */

typedef struct source {
    long fd; /* negative: it cannot be read */
    unsigned line;
    size_t at, n;
    char buffer[2048];
} source;

static long open_for_reading(const char *path)
{
    return gl_syscall4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
}

static void open_source(source *s, const char *path, const char *other_path)
{
    s->line = 1;
    s->at = s->n = 0;
    s->fd = path ? open_for_reading(path) : -ENOENT;
    if (gl_syscall_failed(s->fd)) {
        s->fd = open_for_reading(other_path);
    }
}

static void close_source(source *s)
{
    if (s->fd >= 0) {
        gl_syscall3(SYS_close, s->fd, 0, 0);
    }
}

/* The next character; negative at the end. */
static int next_character(source *s)
{
    if (s->at == s->n) {
        long n = s->fd >= 0 ? gl_syscall3(SYS_read, s->fd, (long)s->buffer, sizeof s->buffer) : 0;
        if (n <= 0) {
            return -1;
        }
        s->n = (size_t)n;
        s->at = 0;
    }
    return (unsigned char)s->buffer[s->at++];
}

/* Lines are asked for in ascending order. Empty if there is none. */
static void read_source_line(source *s, unsigned line, char *text, size_t bytes)
{
    size_t length = 0;
    for (int c; s->line <= line && (c = next_character(s)) >= 0;) {
        if (c == '\n') {
            s->line++;
        } else if (s->line == line && c != '\r' && length < bytes - 1) {
            text[length++] = (char)c;
        }
    }
    text[length] = '\0';
}

/* ---- With lines ----------------------------------------------------------------------------- */

static row *row_of(table *t, unsigned line)
{
    return line >= t->first && line <= t->last ? &t->rows[line - t->first] : NULL;
}

static void extend_range(unsigned line, void *arg)
{
    table *t = arg;
    bool is_near = line >= t->first && line < t->place.end_line && line - t->first < ROWS_MAX;
    t->last = is_near && line > t->last ? line : t->last;
}

static void note_code(unsigned line, void *arg)
{
    row *found = row_of(arg, line);
    if (found) {
        found->has_code = true;
    }
}

static void locate_points(report *r, table *t)
{
    for (size_t i = 0; i < t->n_points; i++) {
        gl_line_place place = {.line = 0};
        if (t->points[i].place != GL_POINT_UNKNOWN) {
            gl_lines_find(&r->lines, t->points[i].place, t->record.function, &place);
        }
        t->point_lines[i] = place.line;
        extend_range(place.line, t);
    }
}

static void add_points(table *t)
{
    for (size_t i = 0; i < t->n_points; i++) {
        const gl_point *point = &t->points[i];
        row *found = row_of(t, t->point_lines[i]);
        if (found) {
            bool is_most = !found->has_changed || point->most_bytes > found->most_bytes;
            found->most_bytes = is_most ? point->most_bytes : found->most_bytes;
            found->change_bytes += point->change_bytes;
            found->n += point->n;
            found->has_code = found->has_changed = true;
        }
    }
}

static void write_rows(report *r, table *t)
{
    source s;
    char text[512];
    int64_t now = t->record.most_at_entry;
    open_source(&s, t->place.file, t->record.file);
    for (unsigned line = t->first; line <= t->last && !r->error; line++) {
        row *found = row_of(t, line);
        gl_fmt label;
        gl_fmt_init(&label);
        gl_fmt_dec(&label, line);
        read_source_line(&s, line, text, sizeof text);
        if (line == t->first) {
            write_row(r, &label, &now, now, t->record.n_calls, text);
            continue;
        }
        now = found->has_changed ? found->most_bytes : now;
        write_row(r, &label, found->has_code ? &now : NULL, found->change_bytes, found->n, text);
    }
    close_source(&s);
}

/* What could not be attributed to a line of the function. */
static void write_rest(report *r, const table *t)
{
    int64_t most = 0, change = 0;
    uint64_t n = 0;
    bool has_any = false;
    for (size_t i = 0; i < t->n_points; i++) {
        unsigned line = t->point_lines[i];
        if (line < t->first || line > t->last) {
            most = !has_any || t->points[i].most_bytes > most ? t->points[i].most_bytes : most;
            change += t->points[i].change_bytes;
            n += t->points[i].n;
            has_any = true;
        }
    }
    if (has_any) {
        gl_fmt label;
        gl_fmt_init(&label);
        gl_fmt_str(&label, "?");
        write_row(r, &label, &most, change, n, "(line not known)");
    }
}

static void write_with_lines(report *r, table *t)
{
    unsigned line = (unsigned)t->record.line;
    bool is_it = t->place.first_line && t->place.first_line <= line && line < t->place.end_line;
    if (!is_it) {
        /* Another function than the compiler says: lines with changes only, from GC_PROFILE() on. */
        t->place.first_line = line;
        t->place.end_line = UINT_MAX;
    }
    t->first = t->place.first_line;
    t->last = line;
    locate_points(r, t);
    if (is_it) {
        gl_lines_each(&r->lines, t->record.begin, t->record.function, extend_range, t);
    }
    t->n_rows = t->last - t->first + 1;
    t->rows = gl_meta_alloc(t->n_rows * sizeof *t->rows);
    if (!t->rows) {
        r->error = ENOMEM;
        return;
    }
    gl_lines_each(&r->lines, t->record.begin, t->record.function, note_code, t);
    add_points(t);
    write_rows(r, t);
    write_rest(r, t);
    gl_meta_free(t->rows, t->n_rows * sizeof *t->rows);
}

/* ---- Without lines -------------------------------------------------------------------------- */

static void sort_points(gl_point *points, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        gl_point point = points[i];
        size_t at = i;
        for (; at > 0 && points[at - 1].place > point.place; at--) {
            points[at] = points[at - 1];
        }
        points[at] = point;
    }
}

static void write_with_addresses(report *r, table *t)
{
    gl_fmt label, text;
    gl_fmt_init(&label);
    gl_fmt_dec(&label, (uint64_t)t->record.line);
    gl_fmt_init(&text);
    gl_fmt_str(&text, "(no debug information in ");
    gl_fmt_str(&text, t->record.image);
    gl_fmt_str(&text, ")");
    write_row(r, &label, &t->record.most_at_entry, t->record.most_at_entry, t->record.n_calls,
              text.text);
    sort_points(t->points, t->n_points);
    for (size_t i = 0; i < t->n_points; i++) {
        const gl_point *point = &t->points[i];
        gl_fmt_init(&label);
        gl_fmt_init(&text);
        gl_fmt_str(&label, "?");
        if (point->place == GL_POINT_UNKNOWN) {
            gl_fmt_str(&text, "(place not known)");
        } else {
            gl_fmt_str(&text, "at ");
            gl_fmt_hex(&text, point->place);
        }
        write_row(r, &label, &point->most_bytes, point->change_bytes, point->n, text.text);
    }
}

/* ---- Functions ------------------------------------------------------------------------------ */

static void free_table(table *t)
{
    gl_meta_free(t->points, t->points_capacity * sizeof *t->points);
    gl_meta_free(t->point_lines, t->lines_capacity * sizeof *t->point_lines);
}

/* Meanwhile there may come more points. */
static bool read_record(table *t, const gl_record *record)
{
    void *points = NULL, *lines = NULL;
    size_t need = 64;
    do {
        bool has_room =
            gl_meta_reserve(&points, &t->points_capacity, need, sizeof *t->points) &&
            gl_meta_reserve(&lines, &t->lines_capacity, need, sizeof *t->point_lines);
        t->points = points;
        t->point_lines = lines;
        if (!has_room) {
            return false;
        }
        t->n_points = need = gl_record_read(record, &t->record, t->points, t->points_capacity);
    } while (need > t->points_capacity || need > t->lines_capacity);
    return true;
}

static void use_image(report *r, const char *image)
{
    if (!r->image || strcmp(r->image, image) != 0) {
        gl_lines_close(&r->lines);
        gl_lines_open(&r->lines, image);
        r->image = image;
    }
}

static void write_function(report *r, const gl_record *record)
{
    table t = {.n_points = 0};
    if (!read_record(&t, record)) {
        r->error = ENOMEM;
    } else if (t.record.n_calls > 0 || t.n_points > 0) {
        use_image(r, record->image);
        write_head(r, &t.record);
        if (gl_lines_find(&r->lines, t.record.begin, t.record.function, &t.place) && t.place.line) {
            write_with_lines(r, &t);
        } else {
            write_with_addresses(r, &t);
        }
        gl_fmt empty;
        gl_fmt_init(&empty);
        write_line(r, &empty);
    }
    free_table(&t);
}

bool gl_profile_write(int fd)
{
    report r = {.fd = fd};
    bool was_paused = gl_profile_pause();
    for (const gl_record *record = gl_record_first(); record && !r.error;
         record = gl_record_next(record)) {
        write_function(&r, record);
    }
    gl_lines_close(&r.lines);
    gl_profile_resume(was_paused);
    if (r.error) {
        errno = r.error;
    }
    return r.error == 0;
}

bool gl_profile_has_any(void)
{
    gl_record copy;
    const gl_record *record = gl_record_first();
    while (record && gl_record_read(record, &copy, NULL, 0) == 0 && copy.n_calls == 0) {
        record = gl_record_next(record);
    }
    return record != NULL;
}
