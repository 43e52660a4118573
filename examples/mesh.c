/* SPDX-License-Identifier: MIT */
/*
 * A large triangle mesh, processed in phases: what it saves to let go of each phase's data when the
 * next one does not need it, and what it saves to keep only one triangle at a time.
 *
 * The phases: read the vertices of an OFF file, first as lines; pack their coordinates; read the
 * triangles, each of which gets its own corners; measure each triangle (normal and area); sum up.
 * After each phase the data of the one before are superfluous: the vertices are deleted before the
 * first triangle is read. Three ways to do it, each in a process of its own, so that each has its
 * own peak:
 *
 *     keep      nothing is released: all is referenced to the end
 *     phases    gc_del() and gc_collect() between the phases
 *     stream    triangle by triangle from the file, with a collection every 1000
 *
 *     cc mesh.c support.c $(pkg-config --cflags --libs gleaner) -lm
 *
 * Where libc's malloc() is used: by stdio, for the buffers of files. They are not scanned, and hold
 * text only. All that holds pointers is on the stack or from gc_malloc().
 */
#include "support.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* With fewer triangles than MIN_COMPARED the difference drowns in what every process needs. */
enum { STANDARD_TRIANGLES = 2000000, MIN_COMPARED = 50000, MAX_TRIANGLES = 50000000, BATCH = 1000 };

static const char help[] =
    "usage: mesh [TRIANGLES]                      make a mesh, process it in all three ways, "
    "compare\n"
    "       mesh --make TRIANGLES FILE            write a mesh of at least so many triangles\n"
    "       mesh --mode keep|phases|stream FILE   process an OFF file in one way\n"
    "TRIANGLES: up to 50000000; to compare, at least 50000, default 2000000.\n";

/* No pointers in any of these: they come from gc_malloc_atomic(), and the collector never reads
 * them. */
struct vertex {
    float at[3];
};

struct face {
    uint32_t vertices[3];
};

struct triangle {
    float corners[3][3];
};

struct measure {
    float normal[3];
    float area;
};

/* A table of pointers to objects is scanned: it keeps them alive. */
struct table {
    void **entries;
    size_t n;
};

struct summary {
    double area;
    double volume; /* by the divergence theorem; of meaning for closed surfaces only */
    float low[3], high[3];
    size_t n_triangles;
};

/* All data of a run. The phases hand them on here, and not from function to function, so that
 * gc_del() of a member takes the last reference away. */
struct mesh {
    FILE *file;
    const char *path;
    size_t line_number;
    size_t n_vertices, n_faces;
    struct table vertex_lines, vertices, face_lines, triangles, measures;
    struct vertex *coordinates; /* packed: an array, and no object for each */
    struct summary summary;
};

static struct table new_table(size_t n)
{
    return (struct table){checked(gc_calloc(n ? n : 1, sizeof(void *))), n};
}

/* ---- Writing a mesh: a torus, two triangles to a cell of a grid ----------------------------- */

static void write_vertices(FILE *file, size_t rings, size_t sides)
{
    const double turn = 2 * acos(-1.0);
    for (size_t i = 0; i < rings; i++) {
        for (size_t j = 0; j < sides; j++) {
            double u = turn * (double)i / (double)rings, v = turn * (double)j / (double)sides;
            double radius = 3 + cos(v);
            fprintf(file, "%.6f %.6f %.6f\n", radius * cos(u), radius * sin(u), sin(v));
        }
    }
}

static void write_faces(FILE *file, size_t rings, size_t sides)
{
    for (size_t i = 0; i < rings; i++) {
        for (size_t j = 0; j < sides; j++) {
            size_t here = i * sides, beyond = (i + 1) % rings * sides, right = (j + 1) % sides;
            fprintf(file, "3 %zu %zu %zu\n", here + j, beyond + j, beyond + right);
            fprintf(file, "3 %zu %zu %zu\n", here + j, beyond + right, here + right);
        }
    }
}

static void make_mesh(const char *path, size_t n_triangles)
{
    FILE *file = fopen(path, "w");
    if (!file) {
        die("%s: %s", path, strerror(errno));
    }
    size_t sides = (size_t)ceil(sqrt((double)n_triangles / 2)), rings = sides;
    if (sides < 3) {
        sides = rings = 3;
    }
    fprintf(file, "OFF\n# a torus\n%zu %zu 0\n", rings * sides, 2 * rings * sides);
    write_vertices(file, rings, sides);
    write_faces(file, rings, sides);
    int failed = ferror(file);
    if (fclose(file) != 0 || failed) {
        die("%s: cannot be written: %s", path, strerror(errno));
    }
}

/* ---- Reading -------------------------------------------------------------------------------- */

_Noreturn static void bad_line(const struct mesh *mesh, const char *what)
{
    die("%s, line %zu: %s", mesh->path, mesh->line_number, what);
}

/* The next line with something on it, without its comment; dies at the end of the file. */
static char *next_line(struct mesh *mesh, char *line, size_t size)
{
    while (fgets(line, (int)size, mesh->file)) {
        mesh->line_number++;
        if (!strchr(line, '\n') && !feof(mesh->file)) {
            bad_line(mesh, "is too long");
        }
        line[strcspn(line, "#\r\n")] = '\0';
        if (line[strspn(line, " \t")] != '\0') {
            return line;
        }
    }
    if (ferror(mesh->file)) {
        die("%s: %s", mesh->path, strerror(errno));
    }
    die("%s ends after line %zu, before it is complete", mesh->path, mesh->line_number);
}

/* A whole number at *text, which moves on; 0 if there is none, or if it exceeds `max`. */
static int read_index(const char **text, size_t max, size_t *value)
{
    const char *start = *text + strspn(*text, " \t");
    char *end;
    errno = 0;
    unsigned long long number = strtoull(start, &end, 10);
    *value = (size_t)number;
    *text = end;
    return end != start && *start != '-' && errno == 0 && number <= max;
}

static void read_header(struct mesh *mesh)
{
    char line[1024];
    const char *text = next_line(mesh, line, sizeof line);
    text += strspn(text, " \t");
    if (strncmp(text, "OFF", 3) != 0) {
        bad_line(mesh, "does not begin with OFF");
    }
    text += 3;
    if (text[strspn(text, " \t")] == '\0') { /* the numbers may stand on the same line */
        text = next_line(mesh, line, sizeof line);
    }
    if (!read_index(&text, UINT32_MAX, &mesh->n_vertices) ||
        !read_index(&text, UINT32_MAX, &mesh->n_faces)) {
        bad_line(mesh, "the numbers of vertices and faces should be here");
    }
}

static struct vertex parse_vertex(const struct mesh *mesh, size_t number, const char *text)
{
    struct vertex vertex;
    const char *rest = text;
    for (int axis = 0; axis < 3; axis++) {
        char *end;
        vertex.at[axis] = strtof(rest, &end);
        if (end == rest || !isfinite(vertex.at[axis])) {
            die("%s, vertex %zu: \"%s\" is not three numbers", mesh->path, number, text);
        }
        rest = end;
    }
    return vertex;
}

static struct face parse_face(const struct mesh *mesh, size_t number, const char *text)
{
    struct face face;
    const char *rest = text;
    size_t n_corners;
    if (!read_index(&rest, 3, &n_corners) || n_corners != 3) {
        die("%s, face %zu: \"%s\" is not a triangle", mesh->path, number, text);
    }
    for (int corner = 0; corner < 3; corner++) {
        size_t vertex;
        if (!read_index(&rest, UINT32_MAX, &vertex) || vertex >= mesh->n_vertices) {
            die("%s, face %zu: \"%s\" names no vertex", mesh->path, number, text);
        }
        face.vertices[corner] = (uint32_t)vertex;
    }
    return face;
}

/* ---- What is computed, one thing at a time -------------------------------------------------- */

static void widen(struct summary *summary, const struct vertex *vertex)
{
    for (int axis = 0; axis < 3; axis++) {
        summary->low[axis] = fminf(summary->low[axis], vertex->at[axis]);
        summary->high[axis] = fmaxf(summary->high[axis], vertex->at[axis]);
    }
}

static struct measure measure_of(const struct triangle *t)
{
    double a[3], b[3], cross[3];
    for (int axis = 0; axis < 3; axis++) {
        a[axis] = (double)t->corners[1][axis] - (double)t->corners[0][axis];
        b[axis] = (double)t->corners[2][axis] - (double)t->corners[0][axis];
    }
    for (int axis = 0; axis < 3; axis++) {
        int next = (axis + 1) % 3, last = (axis + 2) % 3;
        cross[axis] = a[next] * b[last] - a[last] * b[next];
    }
    double length = sqrt(cross[0] * cross[0] + cross[1] * cross[1] + cross[2] * cross[2]);
    struct measure m = {.area = (float)(length / 2)};
    for (int axis = 0; axis < 3; axis++) {
        m.normal[axis] = length > 0 ? (float)(cross[axis] / length) : 0;
    }
    return m;
}

static void add_measure(struct summary *summary, const struct triangle *t, const struct measure *m)
{
    double height = 0;
    for (int axis = 0; axis < 3; axis++) {
        height += (double)m->normal[axis] * (double)t->corners[0][axis];
    }
    summary->area += (double)m->area;
    summary->volume += height * (double)m->area / 3;
    summary->n_triangles++;
}

static struct triangle *new_triangle(const struct vertex *a, const struct vertex *b,
                                     const struct vertex *c)
{
    struct triangle *triangle = checked(gc_malloc_atomic(sizeof *triangle));
    memcpy(triangle->corners[0], a->at, sizeof a->at);
    memcpy(triangle->corners[1], b->at, sizeof b->at);
    memcpy(triangle->corners[2], c->at, sizeof c->at);
    return triangle;
}

/* ---- The phases ----------------------------------------------------------------------------- */

static struct table read_lines(struct mesh *mesh, size_t n)
{
    char line[1024];
    struct table lines = new_table(n);
    for (size_t i = 0; i < n; i++) {
        lines.entries[i] = checked(gc_strdup(next_line(mesh, line, sizeof line)));
    }
    return lines;
}

static void read_vertex_lines(struct mesh *mesh)
{
    mesh->vertex_lines = read_lines(mesh, mesh->n_vertices);
}

static void make_vertices(struct mesh *mesh)
{
    mesh->vertices = new_table(mesh->n_vertices);
    for (size_t i = 0; i < mesh->n_vertices; i++) {
        struct vertex *vertex = checked(gc_malloc_atomic(sizeof *vertex));
        *vertex = parse_vertex(mesh, i, mesh->vertex_lines.entries[i]);
        mesh->vertices.entries[i] = vertex;
        widen(&mesh->summary, vertex);
    }
}

static struct vertex *new_coordinates(const struct mesh *mesh)
{
    size_t n = mesh->n_vertices ? mesh->n_vertices : 1;
    return checked(gc_malloc_atomic(n * sizeof(struct vertex)));
}

static void pack_coordinates(struct mesh *mesh)
{
    mesh->coordinates = new_coordinates(mesh);
    for (size_t i = 0; i < mesh->n_vertices; i++) {
        mesh->coordinates[i] = *(struct vertex *)mesh->vertices.entries[i];
    }
}

static void read_face_lines(struct mesh *mesh)
{
    mesh->face_lines = read_lines(mesh, mesh->n_faces);
}

static void make_triangles(struct mesh *mesh)
{
    mesh->triangles = new_table(mesh->n_faces);
    for (size_t i = 0; i < mesh->n_faces; i++) {
        struct face face = parse_face(mesh, i, mesh->face_lines.entries[i]);
        mesh->triangles.entries[i] = new_triangle(&mesh->coordinates[face.vertices[0]],
                                                  &mesh->coordinates[face.vertices[1]],
                                                  &mesh->coordinates[face.vertices[2]]);
    }
}

static void measure_triangles(struct mesh *mesh)
{
    mesh->measures = new_table(mesh->n_faces);
    for (size_t i = 0; i < mesh->n_faces; i++) {
        struct measure *measure = checked(gc_malloc_atomic(sizeof *measure));
        *measure = measure_of(mesh->triangles.entries[i]);
        mesh->measures.entries[i] = measure;
        add_measure(&mesh->summary, mesh->triangles.entries[i], measure);
    }
}

/* What a phase leaves superfluous. gc_del() empties the variable, as Python's `del` does; the table
 * and all that only it leads to are unreachable then. */
static void release_vertex_lines(struct mesh *mesh)
{
    gc_del(mesh->vertex_lines.entries);
}

static void release_vertices(struct mesh *mesh)
{
    gc_del(mesh->vertices.entries);
}

static void release_lines_and_coordinates(struct mesh *mesh)
{
    gc_del(mesh->face_lines.entries);
    gc_del(mesh->coordinates);
}

static void release_triangles(struct mesh *mesh)
{
    gc_del(mesh->triangles.entries);
}

static void release_measures(struct mesh *mesh)
{
    gc_del(mesh->measures.entries);
}

struct phase {
    const char *name;
    void (*run)(struct mesh *mesh);
    void (*release)(struct mesh *mesh);
};

static void release_nothing(struct mesh *mesh)
{
    (void)mesh;
}

static const struct phase phases[] = {
    {"lines of vertices", read_vertex_lines, release_nothing},
    {"vertices", make_vertices, release_vertex_lines},
    {"coordinates", pack_coordinates, release_vertices},
    {"lines of triangles", read_face_lines, release_nothing},
    {"triangles", make_triangles, release_lines_and_coordinates},
    {"normals and areas", measure_triangles, release_triangles},
    {"end", release_nothing, release_measures},
};

/* ---- One run -------------------------------------------------------------------------------- */

/* What a run tells the process that compares; the heap is the most that blocks with
 * objects took. */
struct outcome {
    struct summary summary;
    uint64_t peak_heap_bytes, peak_resident_bytes;
    uint64_t n_collections;
};

/* The heap is largest when a collection begins, or at the end of a phase. */
static void note_heap(uint64_t *peak)
{
    uint64_t heap = stats_now().heap_bytes;
    *peak = heap > *peak ? heap : *peak;
}

static void at_collection(const gc_event *event, void *peak)
{
    if (event->phase == GC_PHASE_START) {
        note_heap(peak);
    }
}

static void run_phases(struct mesh *mesh, int is_releasing, uint64_t *peak)
{
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
        phases[i].run(mesh);
        note_heap(peak);
        if (is_releasing) {
            phases[i].release(mesh);
            gc_collect();
        }
        printf("  after %-18s %8.1f MB live\n", phases[i].name, megabytes(stats_now().live_bytes));
    }
}

/* Only the coordinates stay, packed; a face is read, made a triangle, measured and forgotten. */
static void run_stream(struct mesh *mesh)
{
    char line[1024];
    struct vertex *vertices = new_coordinates(mesh);
    for (size_t i = 0; i < mesh->n_vertices; i++) {
        vertices[i] = parse_vertex(mesh, i, next_line(mesh, line, sizeof line));
        widen(&mesh->summary, &vertices[i]);
    }
    for (size_t i = 0; i < mesh->n_faces; i++) {
        char *text = checked(gc_strdup(next_line(mesh, line, sizeof line)));
        struct face *face = checked(gc_malloc_atomic(sizeof *face));
        *face = parse_face(mesh, i, text);
        struct triangle *triangle =
            new_triangle(&vertices[face->vertices[0]], &vertices[face->vertices[1]],
                         &vertices[face->vertices[2]]);
        struct measure *measure = checked(gc_malloc_atomic(sizeof *measure));
        *measure = measure_of(triangle);
        add_measure(&mesh->summary, triangle, measure);
        if (i % BATCH == BATCH - 1) {
            gc_collect();
        }
    }
    printf("  after %-18s %8.1f MB live\n", "all triangles", megabytes(stats_now().live_bytes));
}

static struct outcome process(const char *mode, const char *path)
{
    struct outcome outcome = {.n_collections = 0};
    struct mesh mesh = {.path = path, .file = fopen(path, "r")};
    for (int axis = 0; axis < 3; axis++) {
        mesh.summary.low[axis] = INFINITY;
        mesh.summary.high[axis] = -INFINITY;
    }
    if (!mesh.file) {
        die("%s: %s", path, strerror(errno));
    }
    int callback = gc_add_callback(at_collection, &outcome.peak_heap_bytes);
    if (callback < 0) {
        die("gc_add_callback: %s", strerror(errno));
    }
    printf("%s:\n", mode);
    read_header(&mesh);
    if (strcmp(mode, "stream") == 0) {
        run_stream(&mesh);
    } else {
        run_phases(&mesh, strcmp(mode, "phases") == 0, &outcome.peak_heap_bytes);
    }
    fclose(mesh.file);
    note_heap(&outcome.peak_heap_bytes);
    gc_remove_callback(callback);
    outcome.summary = mesh.summary;
    outcome.n_collections = stats_now().generations[2].collections;
    outcome.peak_resident_bytes = peak_resident_bytes();
    return outcome;
}

static void print_summary(const struct outcome *o)
{
    const struct summary *s = &o->summary;
    printf("  %zu triangles, area %.6f, volume %.6f, from (%g %g %g) to (%g %g %g)\n",
           s->n_triangles, s->area, s->volume, (double)s->low[0], (double)s->low[1],
           (double)s->low[2], (double)s->high[0], (double)s->high[1], (double)s->high[2]);
    printf("  peak: heap %.1f MB, resident %.1f MB; %llu collections\n",
           megabytes(o->peak_heap_bytes), megabytes(o->peak_resident_bytes),
           (unsigned long long)o->n_collections);
}

/* ---- All three ------------------------------------------------------------------------------ */

/* Processes the file in a child, whose peak is its own, and returns what it tells
 * through a pipe. */
static struct outcome process_in_child(const char *mode, const char *path)
{
    struct outcome outcome;
    int ends[2], status;
    fflush(stdout);
    pid_t child = pipe(ends) == 0 ? fork() : -1;
    if (child < 0) {
        die("pipe or fork: %s", strerror(errno));
    }
    if (child == 0) {
        outcome = process(mode, path);
        int is_sent = write(ends[1], &outcome, sizeof outcome) == (ssize_t)sizeof outcome;
        exit(is_sent ? finish() : 1);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], &outcome, sizeof outcome);
    close(ends[0]);
    if (waitpid(child, &status, 0) != child || status != 0 || n != (ssize_t)sizeof outcome) {
        die("%s: the process failed", mode);
    }
    return outcome;
}

static void compare(const char *path)
{
    static const char *const modes[3] = {"keep", "phases", "stream"};
    static const char *const names[3] = {"nothing released", "gc_del and gc_collect between phases",
                                         "streaming, a collection every 1000"};
    struct outcome outcomes[3];
    for (int i = 0; i < 3; i++) {
        outcomes[i] = process_in_child(modes[i], path);
        print_summary(&outcomes[i]);
    }
    printf("\n%-38s %14s %18s\n", "peak memory", "heap, MB", "resident, MB");
    for (int i = 0; i < 3; i++) {
        printf("%-38s %14.1f %18.1f\n", names[i], megabytes(outcomes[i].peak_heap_bytes),
               megabytes(outcomes[i].peak_resident_bytes));
    }
    for (int i = 1; i < 3; i++) {
        const struct outcome *more = &outcomes[i - 1], *less = &outcomes[i];
        expect(memcmp(&more->summary, &less->summary, sizeof less->summary) == 0,
               "%s and %s compute the same", modes[i - 1], modes[i]);
        expect(more->peak_heap_bytes * 10 > less->peak_heap_bytes * 13,
               "%s takes a third less heap than %s", modes[i], modes[i - 1]);
        expect(more->peak_resident_bytes > less->peak_resident_bytes,
               "%s has less in memory than %s", modes[i], modes[i - 1]);
    }
}

/* The file has no name any more once it is open, so it is gone however this ends. */
static void make_and_compare(size_t n_triangles)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    folder = folder && *folder ? folder : "/tmp";
    int n = snprintf(path, sizeof path, "%s/mesh-XXXXXX", folder);
    int fd = n > 0 && (size_t)n < sizeof path ? mkstemp(path) : -1;
    if (fd < 0 || unlink(path) != 0) {
        die("no temporary file in %s: %s", folder, strerror(errno));
    }
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    make_mesh(path, n_triangles);
    compare(path);
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--make") == 0) {
        make_mesh(argv[3], parse_count(argv[2], 2, MAX_TRIANGLES, "--make"));
    } else if (argc == 4 && strcmp(argv[1], "--mode") == 0) {
        if (strcmp(argv[2], "keep") && strcmp(argv[2], "phases") && strcmp(argv[2], "stream")) {
            die("--mode: \"%s\" is not keep, phases or stream", argv[2]);
        }
        struct outcome outcome = process(argv[2], argv[3]);
        print_summary(&outcome);
    } else {
        make_and_compare(
            count_argument(argc, argv, help, STANDARD_TRIANGLES, MIN_COMPARED, MAX_TRIANGLES));
    }
    return finish();
}
