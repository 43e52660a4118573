/* SPDX-License-Identifier: MIT */
/* What the case gdb looks at. */
#include <stdio.h>
#include <stdlib.h>

struct node {
    struct node *next;
    int value;
};

static int total(const struct node *list)
{
    int sum = 0;
    for (; list; list = list->next) {
        sum += list->value;
    }
    return sum;
}

static int leaf(struct node *list, int depth)
{
    list->value += depth;
    return total(list);
}

static int descend(struct node *list, int depth)
{
    return depth == 0 ? leaf(list, 5) : descend(list, depth - 1);
}

int main(void)
{
    struct node *list = NULL;
    for (int i = 0; i < 100; i++) {
        struct node *node = malloc(sizeof *node);
        if (!node) {
            return 1;
        }
        *node = (struct node){list, i};
        list = node;
    }
    printf("%d\n", descend(list, 4));
    return 0;
}
