/* SPDX-License-Identifier: MIT */
/* tests/unit/images_inside.c - a shared object that has our code in it, as the real library does. */
#include "os/images.h"

int images_inside_is_left_out(const void *of_the_program);

static int own_data = 1;

static bool is_in_data(const gl_images *images, const void *p)
{
    for (size_t i = 0; i < images->n_data; i++) {
        if ((uintptr_t)p >= images->data[i].start && (uintptr_t)p < images->data[i].end)
            return true;
    }
    return false;
}

__attribute__((visibility("default"))) int images_inside_is_left_out(const void *of_the_program)
{
    static gl_images images;
    return gl_images_read(&images) && !is_in_data(&images, &own_data) &&
           is_in_data(&images, of_the_program);
}
