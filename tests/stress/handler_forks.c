/* SPDX-License-Identifier: MIT */
/*
 * tests/stress/handler_forks.c - forks from a signal handler, in the middle of collections. The child goes
 * on where its parent was interrupted: it finishes the collection, and ends.
 *
 *   handler_forks [--forks=N]
 *
 * A child does not have the helpers that may have been marking; whoever made one then would leave it
 * waiting for ever (os/helper.h).
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gleaner/gc.h>

enum { DEPTH = 15, SPREAD_US = 1000, FIRST_US = 20000 };

typedef struct node {
    struct node *left, *right;
} node;

static volatile sig_atomic_t n_forks, n_bad_children, is_child;
static node *root;

/* Once, and again at the end of the handler: a timer that repeats would leave the collection no time. */
static void arm_timer(long us)
{
    const struct itimerval once = {{0, 0}, {0, us}};
    if (setitimer(ITIMER_REAL, &once, NULL) != 0) {
        _exit(3);
    }
}

static node *make_tree(int depth)
{
    node *n = gc_malloc(sizeof *n);
    if (!n) {
        exit(3);
    }
    if (depth > 0) {
        n->left = make_tree(depth - 1);
        n->right = make_tree(depth - 1);
    }
    return n;
}

static size_t count(const node *n)
{
    return n ? 1 + count(n->left) + count(n->right) : 0;
}

static void fork_and_wait(int signal)
{
    (void)signal;
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        is_child = 1;
        return;
    }
    n_bad_children += child < 0 || waitpid(child, &status, 0) != child || status != 0;
    n_forks++;
    arm_timer(200 + n_forks * 37 % SPREAD_US);
}

int main(int argc, char **argv)
{
    int wanted = 100;
    if (argc > 1 && sscanf(argv[1], "--forks=%d", &wanted) != 1) {
        return 2;
    }
    root = make_tree(DEPTH);
    struct sigaction action = {.sa_handler = fork_and_wait, .sa_flags = SA_RESTART};
    if (sigaction(SIGALRM, &action, NULL) != 0) {
        return 3;
    }
    arm_timer(FIRST_US);
    while (n_forks < wanted) {
        gc_collect();
        if (is_child) {
            _exit(count(root) != (1u << (DEPTH + 1)) - 1);
        }
    }
    arm_timer(0);
    return n_bad_children != 0 || count(root) != (1u << (DEPTH + 1)) - 1;
}
