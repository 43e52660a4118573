/* SPDX-License-Identifier: MIT */
/* malloc/present.c - tells the collector that malloc is ours in this library: pointers to the heap
 * may then be anywhere in the process. */
extern const char gl_malloc_layer_present __attribute__((visibility("hidden")));
const char gl_malloc_layer_present = 1;
