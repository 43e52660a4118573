/* SPDX-License-Identifier: MIT */
/* Writes a title for ps over its arguments, as servers do; they are found under their name still. */
#include "expect.h"

int main(int argc, char **argv)
{
    EXPECT(argc == 2);
    char *end = argv[argc - 1] + strlen(argv[argc - 1]);
    memset(argv[0], 'x', (size_t)(end - argv[0]));
    return expect_n_faults != 0;
}
