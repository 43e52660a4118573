/* SPDX-License-Identifier: MIT */
/* cmd/elf.c - what an ELF file says of itself: machine, loader, static or not, sanitizer. */
#include "cmd/cmd.h"

#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What this command was compiled for, in the terms of e_ident: the native struct fits only files
 * of the same width and order. */
static bool is_native(const unsigned char *ident)
{
    const uint16_t one = 1;
    unsigned char order = *(const unsigned char *)&one == 1 ? ELFDATA2LSB : ELFDATA2MSB;
    unsigned char width = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    return ident[EI_CLASS] == width && ident[EI_DATA] == order;
}

static bool read_at(int fd, void *buffer, size_t bytes, uint64_t offset)
{
    return offset <= INT64_MAX && pread(fd, buffer, bytes, (off_t)offset) == (ssize_t)bytes;
}

/* The machine is at the same place in all files; only its byte order differs. */
static uint16_t machine_of(const unsigned char *header)
{
    size_t at = offsetof(Elf64_Ehdr, e_machine);
    unsigned first = header[at], second = header[at + 1];
    return (uint16_t)(header[EI_DATA] == ELFDATA2MSB ? first << 8 | second : second << 8 | first);
}

/* A file without a loader of its own is static, unless it has a name for others to load it by: the
 * loader itself does, and a static program that may lie anywhere does not. */
static bool has_soname(int fd, const ElfW(Phdr) * dynamic)
{
    ElfW(Dyn) entry;
    for (uint64_t at = 0; at + sizeof entry <= dynamic->p_filesz; at += sizeof entry) {
        if (!read_at(fd, &entry, sizeof entry, dynamic->p_offset + at) || entry.d_tag == DT_NULL) {
            return false;
        }
        if (entry.d_tag == DT_SONAME) {
            return true;
        }
    }
    return false;
}

/* ---- Sanitizers ------------------------------------------------------------------------------ */

/* A program that is compiled with one of these calls its start, or has it. (That of undefined
 * behaviour brings no malloc, and gets along with ours.) */
static const struct {
    const char *symbol, *name;
} sanitizers[] = {
    {"__asan_init", "AddressSanitizer"}, {"__hwasan_init", "HWAddressSanitizer"},
    {"__tsan_init", "ThreadSanitizer"},  {"__msan_init", "MemorySanitizer"},
    {"__lsan_init", "LeakSanitizer"},
};

/* Where the names are that the loader sees. */
typedef struct name_table {
    uint64_t address, bytes;
} name_table;

static name_table names_of(int fd, const ElfW(Phdr) * dynamic)
{
    name_table names = {0, 0};
    ElfW(Dyn) entry;
    for (uint64_t at = 0; at + sizeof entry <= dynamic->p_filesz; at += sizeof entry) {
        if (!read_at(fd, &entry, sizeof entry, dynamic->p_offset + at) || entry.d_tag == DT_NULL) {
            break;
        }
        if (entry.d_tag == DT_STRTAB) {
            names.address = entry.d_un.d_ptr;
        } else if (entry.d_tag == DT_STRSZ) {
            names.bytes = entry.d_un.d_val;
        }
    }
    return names;
}

static const char *find_sanitizer(const char *text, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += strlen(text + at) + 1) {
        for (size_t i = 0; i < sizeof sanitizers / sizeof sanitizers[0]; i++) {
            if (strcmp(text + at, sanitizers[i].symbol) == 0) {
                return sanitizers[i].name;
            }
        }
    }
    return NULL;
}

static void look_for_sanitizer(int fd, const ElfW(Ehdr) * header, const ElfW(Phdr) * dynamic,
                               gl_elf *elf)
{
    enum { NAMES_MAX_BYTES = 64 << 20 };
    name_table names = names_of(fd, dynamic);
    ElfW(Phdr) segment;
    for (unsigned i = 0; i < header->e_phnum && names.bytes <= NAMES_MAX_BYTES; i++) {
        uint64_t at = header->e_phoff + (uint64_t)i * header->e_phentsize;
        if (!read_at(fd, &segment, sizeof segment, at)) {
            return;
        }
        uint64_t offset = names.address - segment.p_vaddr;
        if (segment.p_type != PT_LOAD || offset >= segment.p_filesz ||
            names.bytes > segment.p_filesz - offset) {
            continue;
        }
        char *text = calloc(names.bytes + 1, 1);
        if (text != NULL && read_at(fd, text, names.bytes, segment.p_offset + offset)) {
            elf->sanitizer = find_sanitizer(text, names.bytes);
        }
        free(text);
        return;
    }
}

/* ---- The file -------------------------------------------------------------------------------- */

static void read_dynamic(int fd, const ElfW(Ehdr) * header, const ElfW(Phdr) * dynamic, gl_elf *elf)
{
    if (has_soname(fd, dynamic)) {
        elf->is_dynamic = true;
    }
    look_for_sanitizer(fd, header, dynamic, elf);
}

static void read_segments(int fd, const ElfW(Ehdr) * header, gl_elf *elf)
{
    for (unsigned i = 0; i < header->e_phnum; i++) {
        ElfW(Phdr) segment;
        uint64_t at = header->e_phoff + (uint64_t)i * header->e_phentsize;
        if (header->e_phentsize < sizeof segment || !read_at(fd, &segment, sizeof segment, at)) {
            return;
        }
        if (segment.p_type == PT_INTERP) {
            size_t bytes =
                segment.p_filesz < sizeof elf->loader ? segment.p_filesz : sizeof elf->loader - 1;
            if (read_at(fd, elf->loader, bytes, segment.p_offset)) {
                elf->loader[bytes] = '\0';
                elf->is_dynamic = true;
            }
        } else if (segment.p_type == PT_DYNAMIC) {
            read_dynamic(fd, header, &segment, elf);
        }
    }
}

void gl_elf_read(int fd, gl_elf *elf)
{
    memset(elf, 0, sizeof *elf);
    unsigned char start[sizeof(Elf32_Ehdr)];
    if (!read_at(fd, start, sizeof start, 0) || memcmp(start, ELFMAG, SELFMAG) != 0) {
        return;
    }
    elf->is_elf = true;
    elf->width = start[EI_CLASS];
    elf->order = start[EI_DATA];
    elf->machine = machine_of(start);
    ElfW(Ehdr) header;
    if (is_native(start) && read_at(fd, &header, sizeof header, 0)) {
        elf->has_headers = true;
        read_segments(fd, &header, elf);
    }
}

/* ---- What it defines ------------------------------------------------------------------------- */

/* A part of the file, with a zero byte behind it; NULL if it is not there. The caller frees it. */
static void *read_section(int fd, const ElfW(Shdr) * section)
{
    enum { SECTION_MAX_BYTES = 256 << 20 };
    if (section->sh_size > SECTION_MAX_BYTES) {
        return NULL;
    }
    char *content = calloc(section->sh_size + 1, 1);
    if (content != NULL && !read_at(fd, content, section->sh_size, section->sh_offset)) {
        free(content);
        return NULL;
    }
    return content;
}

static bool read_section_header(int fd, const ElfW(Ehdr) * header, unsigned i, ElfW(Shdr) * section)
{
    return i < header->e_shnum && header->e_shentsize >= sizeof *section &&
           read_at(fd, section, sizeof *section,
                   header->e_shoff + (uint64_t)i * header->e_shentsize);
}

static void each_export(int fd, const ElfW(Shdr) * symbols, const ElfW(Shdr) * names,
                        void (*fn)(const char *name, void *arg), void *arg)
{
    ElfW(Sym) *table = read_section(fd, symbols);
    const char *text = read_section(fd, names);
    for (size_t i = 0; table != NULL && text != NULL && i < symbols->sh_size / sizeof *table; i++) {
        if (table[i].st_shndx != SHN_UNDEF && table[i].st_name < names->sh_size) {
            fn(text + table[i].st_name, arg);
        }
    }
    free(table);
    free((char *)(uintptr_t)text);
}

void gl_elf_each_export(int fd, void (*fn)(const char *name, void *arg), void *arg)
{
    ElfW(Ehdr) header;
    if (!read_at(fd, &header, sizeof header, 0) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        !is_native(header.e_ident)) {
        return;
    }
    for (unsigned i = 0; i < header.e_shnum; i++) {
        ElfW(Shdr) symbols, names;
        if (read_section_header(fd, &header, i, &symbols) && symbols.sh_type == SHT_DYNSYM &&
            read_section_header(fd, &header, symbols.sh_link, &names)) {
            each_export(fd, &symbols, &names, fn, arg);
        }
    }
}
