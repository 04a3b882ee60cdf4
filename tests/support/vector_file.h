// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What a test of one vector file stands on: the vectors, a guard for their bytes, and errors by the
 * names that the file uses.
 *
 *     static int open_vectors(void **state)
 *     {
 *         return vector_file_open(state, ELO_SOURCE_DIR "/tests/vectors/sntp/replies.txt", 256);
 *     }
 *     ... cmocka_run_group_tests(tests, open_vectors, vector_file_close);
 */
#ifndef TESTS_SUPPORT_VECTOR_FILE_H
#define TESTS_SUPPORT_VECTOR_FILE_H

#include "elo/base/err.h"
#include "tests/support/guard.h"
#include "tests/support/vectors.h"

extern struct vectors vectors;
extern struct guard guard;

/* `path` must outlive the test; `room` is the most that the guard will hold. */
int vector_file_open(void **state, const char *path, size_t room);
int vector_file_close(void **state);

/* "SENSOR_FRAME" for ELO_E_SENSOR_FRAME, as in a field `err`; "OK", or "another" for no reason. */
const char *err_name(elo_err err);

#endif
