/* SPDX-License-Identifier: MIT */
/*
 * collect/weak_slot.h - variables of the program that hold a pointer weakly.
 *
 * A slot may be in memory that is scanned. So, while a collection marks, its value is replaced by its
 * complement, which points nowhere; the world is stopped, and nobody sees it.
 */
#ifndef GL_COLLECT_WEAK_SLOT_H
#define GL_COLLECT_WEAK_SLOT_H

#include "collect/weak.h"

/* Both take the lock of weak.h, and return 0 or an errno value. */
int gl_weak_slot_register(void **slot, void *object);
int gl_weak_slot_unregister(void **slot);

/* For a collection: the world is stopped. Slots whose objects have gone are shown as NULL. */
void gl_weak_slots_hide(void);
void gl_weak_slots_show(void);

#endif
